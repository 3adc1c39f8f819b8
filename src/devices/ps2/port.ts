/** The cable between a PS/2 device and the controller, which takes bytes from it one by one as it has room. */

export interface Ps2Device {
  /** A byte from the controller. */
  receive(value: number): void;
  /** The next byte for the controller, if there is one. */
  take(): number | undefined;
  /** The controller's: there may be something to take. */
  ready: () => void;
}
