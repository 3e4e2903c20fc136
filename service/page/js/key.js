// The key of a service that asks for one. It is kept until the tab is closed.

const NAME = 'key';
/** What a command shows in place of the key, which does not belong on a screen. */
export const PLACEHOLDER = 'Authorization: Bearer $KEY';

export function key() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null; // a browser that keeps nothing
  }
}

export const setKey = (value) => sessionStorage.setItem(NAME, value.trim());

export const keyHeaders = () => (key() ? { Authorization: `Bearer ${key()}` } : {});
