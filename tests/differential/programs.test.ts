import { testBatches } from './batches.ts';

testBatches('program', 'random programs with loops, calls and stores into their own code do', 1.5);
