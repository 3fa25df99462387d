/** How often a fault is done: `usual` times, or FAULT_RUNS times where that is less. */
export const runsOf = (usual: number): number =>
  Math.min(usual, Number(process.env['FAULT_RUNS'] ?? usual))
