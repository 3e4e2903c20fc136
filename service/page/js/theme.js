// Dark or light: the system's choice until the person makes one. Runs before the page is drawn, so
// that it never flashes in the other; hence no module.
(() => {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';
  try {
    const kept = localStorage.getItem('theme');
    if (kept) root.dataset.theme = kept;
  } catch {
    // A browser that keeps nothing still shows the page.
  }
  addEventListener('DOMContentLoaded', () => {
    document.getElementById('theme-button')?.addEventListener('click', () => {
      root.dataset.theme = isDark() ? 'light' : 'dark';
      try {
        localStorage.setItem('theme', root.dataset.theme);
      } catch {
        // As above.
      }
    });
  });
})();
