// Light or dark theme: the system's preference until the visitor chooses one. This is a classic script
// rather than a module, so that it runs before the first paint and the other theme never flashes.
(() => {
  const root = document.documentElement;
  const systemDark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme ?? (systemDark.matches ? 'dark' : 'light')) === 'dark';
  try {
    const storedTheme = localStorage.getItem('theme');
    if (storedTheme) root.dataset.theme = storedTheme;
  } catch {
    // Storage is disabled; the system's preference applies.
  }
  addEventListener('DOMContentLoaded', () => {
    document.getElementById('theme-button')?.addEventListener('click', () => {
      root.dataset.theme = isDark() ? 'light' : 'dark';
      try {
        localStorage.setItem('theme', root.dataset.theme);
      } catch {
        // Storage is disabled; the choice lasts until the page is reloaded.
      }
    });
  });
})();
