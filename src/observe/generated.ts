/** Files of the repository that follow from the catalogue: path from the root → text. */
import { dashboardJson } from './dashboards/dashboard.ts'
import { destination } from './dashboards/destination.ts'
import { network } from './dashboards/network.ts'
import { overview } from './dashboards/overview.ts'
import { runtime } from './dashboards/runtime.ts'
import { metricsPage } from './metrics-page.ts'

export function observabilityFiles(): ReadonlyMap<string, string> {
  const files = new Map([['docs/metrics.md', metricsPage()]])
  for (const dashboard of [overview, network, destination, runtime]) {
    files.set(`grafana/dashboards/${dashboard.name}.json`, dashboardJson(dashboard))
  }
  return files
}
