/** Dark or light: as the system has it, until the switch says otherwise. */

import { button } from './elements.ts';

const KEY = 'vivarium.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** Storage that a browser may refuse. */
function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function startTheme(changed: (isDark: boolean) => void): void {
  const toggle = button('theme');
  let chosen = stored();
  const isDark = (): boolean => (chosen === null ? system.matches : chosen === 'dark');
  function apply(): void {
    if (chosen === null) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    toggle.setAttribute('aria-pressed', String(isDark()));
    changed(isDark());
  }
  system.addEventListener('change', apply);
  toggle.addEventListener('click', () => {
    chosen = isDark() ? 'light' : 'dark';
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // It lasts as long as the page, then.
    }
    apply();
  });
  apply();
}
