// The key of a service that asks for one. It is kept until the tab is closed.

const STORAGE_KEY = 'key';
/** What a command shows in place of the key, which does not belong on a screen. */
export const AUTH_HEADER_PLACEHOLDER = 'Authorization: Bearer $KEY';

export function getApiKey() {
  try {
    return sessionStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // a browser that keeps nothing
  }
}

export const setApiKey = (value) => sessionStorage.setItem(STORAGE_KEY, value.trim());

export const authHeaders = () => (getApiKey() ? { Authorization: `Bearer ${getApiKey()}` } : {});
