/**
 * Opcodes of WebAssembly's integer operations, for code that looks into the graph of nodes: WebAssembly Core
 * Specification 2.0 §5.4.7 "Numeric Instructions". Only those of i32 have names where there is one of i64 too; it is a
 * fixed distance away.
 */

export const EQZ = 0x45;
export const EQ = 0x46;
export const NE = 0x47;
export const LT_S = 0x48;
export const LT_U = 0x49;
export const GT_S = 0x4a;
export const GT_U = 0x4b;
export const LE_S = 0x4c;
export const LE_U = 0x4d;
export const GE_S = 0x4e;
export const GE_U = 0x4f;
/** From an i32 comparison (EQZ to GE_U) to that of i64. */
export const WIDE_COMPARISON = 0x0b;

export const CLZ = 0x67;
export const CTZ = 0x68;
export const POPCNT = 0x69;
export const ADD = 0x6a;
export const SUB = 0x6b;
export const MUL = 0x6c;
export const DIV_S = 0x6d;
export const DIV_U = 0x6e;
export const REM_S = 0x6f;
export const REM_U = 0x70;
export const AND = 0x71;
export const OR = 0x72;
export const XOR = 0x73;
export const SHL = 0x74;
export const SHR_S = 0x75;
export const SHR_U = 0x76;
export const ROTL = 0x77;
export const ROTR = 0x78;
/** From i32 arithmetic (CLZ to ROTR) to that of i64. */
export const WIDE_ARITHMETIC = 0x12;

export const SELECT = 0x1b;
export const WRAP = 0xa7;
export const EXTEND_S = 0xac;
export const EXTEND_U = 0xad;
export const EXTEND8_S = 0xc0;
export const EXTEND16_S = 0xc1;
export const I32_REINTERPRET = 0xbc;
export const I64_REINTERPRET = 0xbd;
export const F32_REINTERPRET = 0xbe;
export const F64_REINTERPRET = 0xbf;
