/** Which backups stay: restic's `forget`, extended by quarters, hours of any zone, a floor and holds. Pure. */

/** Each rule by itself keeps the newest of each period that has one; the results are joined. Numbers count periods that have a backup. */
export interface Policy {
  last?: number | undefined
  hourly?: number | undefined
  daily?: number | undefined
  weekly?: number | undefined
  monthly?: number | undefined
  quarterly?: number | undefined
  yearly?: number | undefined
  /** Milliseconds before the newest backup. */
  within?: number | undefined
  forever?: boolean | undefined
  /** No rule takes the number of verified backups below this. */
  atLeast?: number | undefined
}
