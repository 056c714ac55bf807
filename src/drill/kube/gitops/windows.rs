//! Sync windows: when an AppProject lets its Applications be synced.
//!
//! Owns: the rules of Argo CD's `SyncWindows` (`application/v1alpha1/types.go`): an active deny wins
//! over any allow, and where there are windows that allow, one has to be active. Must not: sync.

use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use serde_json::Value;

use crate::clock::World;

use super::super::value::{at, go_seconds, list, text};
use super::schedule::Schedule;

/// The longest window, in seconds: a client's figure.
const LONGEST: f64 = 366.0 * 86_400.0;

/// What holds a sync of `app` up at `now`, in Argo CD's words, if something of `project` does.
pub(super) fn hold_up(project: &Value, app: &Value, by_hand: bool, now: World) -> Option<String> {
    const BLOCKED: &str = "Sync operation blocked by sync window";
    let all = list(project, &["spec", "syncWindows"]).iter().filter(|window| concerns(window, app));
    let (mut denies, mut open, mut closed) = (Vec::new(), false, Vec::new());
    for window in all {
        let active = match is_active(window, now) {
            Ok(active) => active,
            Err(why) => return Some(format!("{BLOCKED}: invalid sync windows: {why}")),
        };
        match (text(window, &["kind"]), active) {
            ("deny", true) => denies.push(window),
            ("allow", true) => open = true,
            ("allow", false) => closed.push(window),
            _ => {}
        }
    }
    let lets = |windows: &[&Value]| {
        by_hand && windows.iter().all(|window| at(window, &["manualSync"]).as_bool() == Some(true))
    };
    let held = if denies.is_empty() { !open && !closed.is_empty() && !lets(&closed) } else { !lets(&denies) };
    held.then(|| BLOCKED.to_owned())
}

/// Whether a window is about `app`: by its name, the cluster or the namespace that it goes to.
fn concerns(window: &Value, app: &Value) -> bool {
    let to = |field: &str| text(app, &["spec", "destination", field]);
    let any = |field: &str, told: &[&str]| {
        let patterns = list(window, &[field]);
        let fits = |pattern: &Value| told.iter().any(|told| glob(pattern.as_str().unwrap_or_default(), told));
        (!patterns.is_empty()).then(|| patterns.iter().any(fits))
    };
    let clusters: Vec<&str> = [to("name"), to("server")].into_iter().filter(|told| !told.is_empty()).collect();
    let fits = [
        any("applications", &[text(app, &["metadata", "name"])]),
        any("clusters", &clusters),
        any("namespaces", &[to("namespace")]),
    ];
    let mut fits = fits.into_iter().flatten().peekable();
    let all = at(window, &["andOperator"]).as_bool() == Some(true);
    fits.peek().is_some() && if all { fits.all(|fits| fits) } else { fits.any(|fits| fits) }
}

/// Whether `text` fits a pattern of `*` and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    // For each length of the text so far: whether the pattern so far fits it.
    let text: Vec<char> = text.chars().collect();
    let mut fits = vec![false; text.len() + 1];
    if let Some(first) = fits.first_mut() {
        *first = true;
    }
    for part in pattern.chars() {
        let mut next = vec![false; fits.len()];
        let mut run = false;
        for (length, slot) in next.iter_mut().enumerate() {
            let before = length.checked_sub(1);
            run |= fits.get(length) == Some(&true);
            *slot = match part {
                '*' => run,
                _ => before.is_some_and(|before| {
                    fits.get(before) == Some(&true) && (part == '?' || text.get(before) == Some(&part))
                }),
            };
        }
        fits = next;
    }
    fits.last() == Some(&true)
}

/// Whether a window began less than its length ago, on the wall clock of its zone as it goes now.
fn is_active(window: &Value, now: World) -> Result<bool, String> {
    let told = |field: &str| text(window, &[field]);
    let schedule =
        Schedule::read(told("schedule")).ok_or_else(|| format!("cannot parse schedule '{}'", told("schedule")))?;
    let length = go_seconds(told("duration")).ok_or_else(|| format!("cannot parse duration '{}'", told("duration")))?;
    let here: NaiveDateTime = now.with_timezone(&told("timeZone").parse().unwrap_or(Tz::UTC)).naive_local();
    let length = TimeDelta::milliseconds((length.min(LONGEST) * 1000.0) as i64);
    // One that never begins is active: its next time is before all others.
    Ok(schedule.next(here - length).is_none_or(|next| next < here))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn app() -> Value {
        json!({"metadata": {"name": "shop"}, "spec": {"destination":
            {"server": "https://kubernetes.default.svc", "namespace": "shop"}}})
    }

    fn held(windows: Value, by_hand: bool, now: &str) -> bool {
        hold_up(&json!({"spec": {"syncWindows": windows}}), &app(), by_hand, now.parse().unwrap()).is_some()
    }

    fn night(kind: &str, manual: bool) -> Value {
        json!({"kind": kind, "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"], "manualSync": manual})
    }

    #[test]
    fn a_deny_wins_and_where_windows_allow_one_has_to_be_active() {
        let (by_night, by_day) = ("2026-11-21T03:00:00Z", "2026-11-21T12:00:00Z");
        for (windows, at_night, at_day) in [
            (json!([]), false, false),
            (json!([night("deny", false)]), true, false),
            (json!([night("allow", false)]), false, true),
            (json!([night("allow", false), night("deny", false)]), true, true),
        ] {
            assert_eq!(
                (held(windows.clone(), false, by_night), held(windows.clone(), false, by_day)),
                (at_night, at_day)
            );
            assert_eq!(held(windows, true, by_night), at_night, "by hand, too");
        }
        for (kind, now) in [("deny", by_night), ("allow", by_day)] {
            assert!(held(json!([night(kind, true)]), false, now));
            assert!(!held(json!([night(kind, true)]), true, now), "by hand it is let through");
            assert!(held(json!([night(kind, true), night(kind, false)]), true, now), "each has to");
        }
    }

    #[test]
    fn it_is_about_names_clusters_and_namespaces() {
        let deny = |more: Value| {
            let mut window = json!({"kind": "deny", "schedule": "* * * * *", "duration": "1h"});
            window.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            held(json!([window]), false, "2026-11-21T12:00:30Z")
        };
        assert!(
            !deny(json!({})) && deny(json!({"applications": ["sh?p"]})) && !deny(json!({"applications": ["shops"]}))
        );
        assert!(deny(json!({"applications": ["web"], "namespaces": ["s*p"]})));
        assert!(!deny(json!({"applications": ["web"], "namespaces": ["shop"], "andOperator": true})));
        assert!(deny(json!({"clusters": ["https://*"]})) && !deny(json!({"clusters": ["in-cluster"]})));
    }

    #[test]
    fn what_cannot_be_read_holds_everything_up() {
        for (field, wrong) in [("schedule", "@daily"), ("duration", "2d")] {
            let mut window = night("allow", true);
            window[field] = json!(wrong);
            assert!(held(json!([window]), true, "2026-11-21T03:00:00Z"), "{wrong}");
        }
        let mut leap = night("deny", false);
        leap["schedule"] = json!("0 0 30 2 *");
        assert!(held(json!([leap]), false, "2026-11-21T03:00:00Z"), "as Argo CD has it");
    }

    #[test]
    fn a_window_goes_by_the_wall_clock_of_its_zone() {
        let mut berlin = night("deny", false);
        berlin["timeZone"] = json!("Europe/Berlin");
        for (now, is) in [
            ("2026-11-21T04:59:59Z", true),
            ("2026-11-21T05:00:00Z", false),
            // The clocks were put back at one: nine hours from ten to six.
            ("2026-10-24T20:00:01Z", true),
            ("2026-10-25T04:59:59Z", true),
            ("2026-10-25T05:00:00Z", false),
        ] {
            assert_eq!(held(json!([berlin]), false, now), is, "{now}");
        }
    }
}
