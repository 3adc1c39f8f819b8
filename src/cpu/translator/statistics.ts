/** What the translator has done so far, for `--stats`. */

/** Which tiers run guest code; 'translator' translates at first sight, 'auto' what is hot. */
export const ENGINE_CHOICES = ['auto', 'interpreter', 'translator'] as const;
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

export interface TranslatorStats {
  /** Regions translated since the start, and those that can be entered now. */
  readonly translations: number;
  readonly regions: number;
  /** Guest instructions in all regions translated. */
  readonly instructions: number;
  /** Ways out of regions that are linked straight to other code. */
  readonly links: number;
  /** Regions given up because their code was written over, and because code memory was full. */
  readonly invalidations: number;
  readonly evictions: number;
  /** WebAssembly modules made, and bytes of WebAssembly in regions that can be entered now. */
  readonly modules: number;
  readonly codeBytes: number;
  /** Host time spent translating. */
  readonly milliseconds: number;
}

export const NO_TRANSLATIONS: TranslatorStats = {
  translations: 0,
  regions: 0,
  instructions: 0,
  links: 0,
  invalidations: 0,
  evictions: 0,
  modules: 0,
  codeBytes: 0,
  milliseconds: 0,
};
