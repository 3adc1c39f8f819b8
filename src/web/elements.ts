/** The elements of index.html, by their ids. */

type Constructor<E extends Element> = abstract new (...parameters: never[]) => E;

/** The element with that id, which the page has. */
export function byId<E extends Element>(id: string, kind: Constructor<E>): E {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`The page has no ${id}.`);
  return element;
}

export const button = (id: string): HTMLButtonElement => byId(id, HTMLButtonElement);

/** A new element with text in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text = '',
  className = '',
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}
