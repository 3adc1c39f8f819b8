/** The engine's code that was made with this program (cpu/interpreter/generated-code.ts), by its URL. */

const { compileStreaming } = WebAssembly as unknown as {
  compileStreaming(response: Response): Promise<WebAssembly.Module>;
};

const modules = new Map<string, Promise<WebAssembly.Module | undefined>>();

/** Once for a URL. Never rejects: an engine without it generates its own. */
export function fetchGeneratedCode(url: string): Promise<WebAssembly.Module | undefined> {
  const known = modules.get(url);
  if (known !== undefined) return known;
  const module = compiled(url).catch(() => {
    // It may be there the next time.
    modules.delete(url);
    return undefined;
  });
  modules.set(url, module);
  return module;
}

/** While it arrives, where the server says what it is (WebAssembly Web API, "Streaming Module Compilation"). */
async function compiled(url: string): Promise<WebAssembly.Module | undefined> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server says ${response.status}`);
  const isNamed = response.headers.get('content-type') === 'application/wasm';
  return isNamed ? compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}
