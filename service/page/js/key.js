// The API key of a service that requires one, kept in session storage until the tab is closed.

const STORAGE_KEY = 'key';
/** The header in curl commands, which name a shell variable so that the key is not shown on the screen. */
export const AUTH_HEADER_PLACEHOLDER = 'Authorization: Bearer $KEY';

export function getApiKey() {
  try {
    return sessionStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // storage is disabled in this browser
  }
}

export const setApiKey = (value) => sessionStorage.setItem(STORAGE_KEY, value.trim());

export const getAuthHeaders = () => (getApiKey() ? { Authorization: `Bearer ${getApiKey()}` } : {});
