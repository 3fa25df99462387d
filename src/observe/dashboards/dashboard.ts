/** A whole dashboard: its rows, the variables all of ours share, annotations and links. */
import { DATASOURCE, layOut, type Row } from './panel.ts'

export interface Dashboard {
  /** Last part of the uid, and file name. */
  readonly name: string
  readonly title: string
  readonly description: string
  /** Label that is chosen by a variable of its own. */
  readonly chosen?: { readonly label: 'network' | 'destination'; readonly metric: string }
  readonly rows: readonly Row[]
}

/** In every selector: which gateways are looked at. */
export const GATEWAYS = 'job=~"$job", instance=~"$instance"'

export function dashboardJson(dashboard: Dashboard): string {
  const { name, title, description, chosen } = dashboard
  const variables = [
    { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', hide: 0 },
    labelVariable('job', 'Job', 'label_values(postern_build_info, job)', true),
    labelVariable('instance', 'Instance', 'label_values(postern_build_info{job=~"$job"}, instance)', true),
    ...(chosen
      ? [
          labelVariable(
            chosen.label,
            chosen.label === 'network' ? 'Network' : 'Destination',
            `label_values(${chosen.metric}{job=~"$job"}, ${chosen.label})`,
            false,
          ),
        ]
      : []),
  ] // prettier-ignore
  const json = {
    uid: `postern-${name}`,
    title: `Postern / ${title}`,
    description,
    tags: ['postern'],
    editable: false,
    graphTooltip: 1,
    refresh: '30s',
    schemaVersion: 39,
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    links: [
      { type: 'dashboards', title: 'Postern', tags: ['postern'], asDropdown: true, keepTime: true, includeVars: true },
    ],
    annotations: { list: annotations() },
    templating: { list: variables },
    panels: layOut(dashboard.rows),
  } // prettier-ignore
  return `${JSON.stringify(json, null, 2)}\n`
}

/** `all`: everything is chosen to begin with; else the first value. */
function labelVariable(name: string, label: string, query: string, all: boolean) {
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: name },
    definition: query,
    multi: true,
    includeAll: all,
    ...(all ? { allValue: '.+', current: { text: 'All', value: '$__all' } } : {}),
    refresh: 2,
    sort: 1,
    hide: 0,
  }
}

function annotations() {
  const marked = (name: string, expr: string, iconColor: string, titleFormat: string) => ({
    name,
    datasource: DATASOURCE,
    enable: true,
    expr,
    iconColor,
    titleFormat,
    step: '60s',
  })
  return [
    marked('reload', `changes(postern_config_last_reload_success_timestamp_seconds{${GATEWAYS}}[1m]) > 0`, 'blue', 'configuration loaded'),
    marked('restart', `changes(process_start_time_seconds{${GATEWAYS}}[1m]) > 0`, 'orange', 'restart'),
    marked('alert', 'ALERTS{alertname=~"Postern.+", alertstate="firing", job=~"$job"}', 'red', '{{alertname}}'),
  ] // prettier-ignore
}
