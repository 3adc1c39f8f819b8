/**
 * The page: joins the machine to what is seen of it. It knows the machine by the public library alone, and leaves it for
 * the console of the developer tools, as `vivarium.vm`.
 */

import { missingFeatures } from '../host/browser/requirements.ts';
import { boot } from '../library/browser/index.ts';
import type { Vm, VmEnd } from '../library/types/index.ts';
import { DisksView } from './disks-view.ts';
import { button, byId } from './elements.ts';
import { chosenOf } from './file-kinds.ts';
import { fillKeysRow } from './keys-row.ts';
import { complain, forget, news } from './messages.ts';
import { saveFile } from './save-file.ts';
import { ScreenView } from './screen-view.ts';
import { type Plan, Session, type SessionState } from './session.ts';
import { askHowToStart, planOfKept } from './start-dialog.ts';
import { StatusView } from './status-view.ts';
import { TerminalView } from './terminal-view.ts';
import { startTheme } from './theme.ts';

const at = (name: string): URL => new URL(name, document.baseURI);
/** Where the build puts what the library needs. */
const ASSETS = {
  worker: at('worker.js'),
  kernel: at('vmlinuz'),
  initrd: at('initramfs.cpio.gz'),
  snapshot: at('builtin.snapshot'),
  generatedCode: at('generated-code.wasm'),
  bios: at('bios-256k.bin'),
  vgaBios: at('vgabios-stdvga.bin'),
};
const BUILT_IN: Plan = { title: 'Built-in Linux', options: {} };

const STATES: Readonly<Record<SessionState, string>> = {
  off: 'Off',
  starting: 'Starting…',
  running: 'Running',
  paused: 'Paused',
  ended: 'Switched off',
  failed: 'Failed',
};
const ENDINGS: Readonly<Record<VmEnd['kind'], string>> = {
  'powered-off': 'The guest switched the machine off.',
  reset: 'The guest reset the machine. Start begins again.',
  panicked: "The guest's kernel panicked. Its last words are on the console; Start begins again.",
  'triple-fault': 'The guest faulted three times over, and the processor stopped. Start begins again.',
  'exit-code': 'The guest ended the machine.',
  closed: '',
  failed: 'The machine failed',
};

type View = 'console' | 'screen';
let view: View = 'console';

const toolbar = { run: button('run'), reset: button('reset'), save: button('save'), open: button('open') };
const released = (): void => toolbar.run.focus();
const terminal = new TerminalView(byId('console', HTMLElement), released);
const screen = new ScreenView(byId('canvas', HTMLCanvasElement), released);
const status = new StatusView();
const disks = new DisksView({ builtIn: () => start(BUILT_IN), kept: (disk) => start(planOfKept(disk)) });
const session = new Session((options) => boot({ assets: ASSETS, ...options }), {
  changed: showState,
  attached(vm) {
    forget();
    terminal.attach(vm);
    screen.attach(vm);
    status.attach(vm);
    const title = session.plan?.title ?? '';
    byId('title', HTMLElement).textContent = title;
    document.title = `${title} – Vivarium`;
    byId('canvas', HTMLElement).hidden = vm.screen === undefined;
    byId('no-screen', HTMLElement).hidden = vm.screen !== undefined;
    choose(vm.screen === undefined ? 'console' : 'screen');
  },
  restarted: () => terminal.clear(),
  ended(end) {
    const sentence = ENDINGS[end.kind];
    if (end.kind === 'failed') complain(`${sentence}: ${end.error.message}`);
    else if (end.kind === 'powered-off') news(sentence);
    else complain(sentence);
    void disks.refresh();
  },
});

// ---- The machine -----------------------------------------------------------------------------------------------------

function showState(): void {
  const { state, isAlive } = session;
  const pill = byId('state', HTMLElement);
  pill.dataset.state = state;
  pill.textContent = STATES[state];
  toolbar.run.textContent = state === 'running' ? 'Pause' : state === 'paused' ? 'Go on' : 'Start';
  toolbar.run.disabled = state === 'starting';
  toolbar.reset.disabled = !isAlive;
  toolbar.save.disabled = !isAlive;
}

/** Says on the stage what is waited for. */
function wait(sentence: string | undefined): void {
  byId('waiting', HTMLElement).hidden = sentence === undefined;
  byId('waiting-text', HTMLElement).textContent = sentence ?? '';
}

/** What can go wrong is told, and changes nothing. */
function attempt(act: () => Promise<void>): void {
  act().catch(complain);
}

/** The machine that runs is seen until the other one is there. */
async function replaceWith(plan: Plan): Promise<void> {
  wait(`Starting ${plan.title}…`);
  try {
    await session.start(plan);
  } finally {
    wait(undefined);
    await disks.refresh();
  }
}

const start = (plan: Plan): void => attempt(() => replaceWith(plan));

async function saveSnapshot(vm: Vm): Promise<void> {
  toolbar.save.disabled = true;
  try {
    // In one file, which needs no other but discs that are only read.
    const bytes = await vm.snapshot({ copyDisks: true });
    const time = new Date().toISOString().slice(0, 16).replace('T', ' ').replace(':', '.');
    saveFile(new Blob([bytes as Uint8Array<ArrayBuffer>]), `${session.plan?.title ?? 'machine'} ${time}.snap`);
  } finally {
    toolbar.save.disabled = !session.isAlive;
  }
}

toolbar.run.addEventListener('click', () => {
  if (session.isAlive) attempt(() => session.togglePause());
  else start(session.plan ?? BUILT_IN);
});
toolbar.reset.addEventListener('click', () => attempt(() => session.reset()));
toolbar.save.addEventListener('click', () => {
  const { vm } = session;
  if (vm !== undefined) attempt(() => saveSnapshot(vm));
});

// ---- Files -----------------------------------------------------------------------------------------------------------

async function open(files: readonly File[]): Promise<void> {
  if (files.length === 0) return;
  const chosen = await chosenOf(files);
  try {
    const plan = await askHowToStart(chosen, session.isAlive, wait);
    if (plan !== undefined) await replaceWith(plan);
  } finally {
    wait(undefined);
  }
}

const picker = byId('files', HTMLInputElement);
toolbar.open.addEventListener('click', () => picker.click());
picker.addEventListener('change', () => {
  const files = [...(picker.files ?? [])];
  // The same file chosen again is a change, too.
  picker.value = '';
  attempt(() => open(files));
});

const drop = byId('drop', HTMLElement);
const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
addEventListener('dragover', (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  drop.hidden = false;
});
addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) drop.hidden = true;
});
addEventListener('drop', (event) => {
  drop.hidden = true;
  if (!hasFiles(event)) return;
  event.preventDefault();
  const files = [...(event.dataTransfer?.files ?? [])];
  attempt(() => open(files));
});

// ---- The stage -------------------------------------------------------------------------------------------------------

const stage = byId('stage', HTMLElement);
const tabs: Readonly<Record<View, HTMLButtonElement>> = {
  console: button('tab-console'),
  screen: button('tab-screen'),
};

function choose(chosen: View): void {
  view = chosen;
  for (const name of ['console', 'screen'] as const) {
    tabs[name].setAttribute('aria-selected', String(name === chosen));
    tabs[name].tabIndex = name === chosen ? 0 : -1;
    byId(name, HTMLElement).hidden = name !== chosen;
  }
  button('capture').hidden = chosen !== 'screen' || session.vm?.screen === undefined;
  if (chosen === 'console') terminal.fit();
}

/** The guest has the keys. */
function focusGuest(): void {
  if (view === 'console') terminal.focus();
  else screen.focus();
}

for (const name of ['console', 'screen'] as const) {
  tabs[name].addEventListener('click', () => {
    choose(name);
    focusGuest();
  });
  tabs[name].addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    choose(name === 'console' ? 'screen' : 'console');
    tabs[view].focus();
  });
}

const keys = byId('keys', HTMLElement);
fillKeysRow(keys, {
  get vm() {
    return session.vm;
  },
  get isScreen() {
    return view === 'screen';
  },
  typeAtConsole: (text) => terminal.type(text),
});
function showKeys(isShown: boolean): void {
  keys.hidden = !isShown;
  button('show-keys').setAttribute('aria-expanded', String(isShown));
}
button('show-keys').addEventListener('click', () => showKeys(keys.hidden !== false));
showKeys(matchMedia('(pointer: coarse)').matches);

button('capture').addEventListener('click', () => attempt(() => screen.captureMouse()));

const hint = byId('hint', HTMLElement).textContent;
const MOUSE_HINT = "The mouse is the guest's. Escape, or left Ctrl and Alt together, give it back.";

/** Chromium alone can give a page in full screen the keys that are the system's, Escape among them. */
const keyboardLock = (navigator as { readonly keyboard?: { lock?(): Promise<void> } }).keyboard;
button('full').addEventListener('click', () =>
  attempt(async () => {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
      return;
    }
    await stage.requestFullscreen();
    await keyboardLock?.lock?.().catch(() => {});
    focusGuest();
  }),
);
document.addEventListener('pointerlockchange', () => {
  byId('hint', HTMLElement).textContent = screen.hasMouse ? MOUSE_HINT : hint;
});
document.addEventListener('fullscreenchange', () => {
  button('full').textContent = document.fullscreenElement ? 'Leave full screen' : 'Full screen';
});

// ---- Beginning -------------------------------------------------------------------------------------------------------

startTheme((isDark) => {
  terminal.isDark = isDark;
});
Object.assign(globalThis, {
  vivarium: {
    boot: (options: Parameters<typeof boot>[0] = {}) => boot({ assets: ASSETS, ...options }),
    get vm() {
      return session.vm;
    },
    get consoleText() {
      return terminal.text;
    },
  },
});
showState();
void disks.refresh();
const missing = missingFeatures();
if (missing === undefined) start(BUILT_IN);
else complain(missing);
terminal.focus();
