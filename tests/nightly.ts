/** Whether everything is to be tested, however long it takes: `npm run nightly` says so. `npm test` takes samples. */
export const nightly = process.env.VIVARIUM_NIGHTLY === '1';
