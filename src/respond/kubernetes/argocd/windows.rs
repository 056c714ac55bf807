//! Sync windows: when an AppProject lets its Applications be synced. An active deny wins over any
//! allow; where there are windows that allow, it is only in one of them. `manualSync` lets a sync by
//! hand through.

use chrono_tz::Tz;
use http::StatusCode;
use serde::Deserialize;

use crate::clock::World;
use crate::model::name::Target;
use crate::model::plan::{Fact, Refusal};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::client::{Api, ApiError};
use crate::respond::kubernetes::draft::{fact, warning};
use crate::respond::kubernetes::duration;
use crate::respond::kubernetes::objects::or_default;
use crate::respond::kubernetes::place::is_name;
use crate::respond::kubernetes::said;
use crate::text::Safe;

use super::cron::Cron;
use super::objects::App;

/// The label of what windows come to.
const LABEL: &str = "windows";
/// Where Argo CD keeps its projects, unless the Application is in the namespace of its own Argo CD.
const NAMESPACE: &str = "argocd";

/// `argoproj.io/v1alpha1` AppProject.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Project {
    #[serde(deserialize_with = "or_default")]
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    sync_windows: Vec<Window>,
}

/// One of its `spec.syncWindows`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Window {
    kind: String,
    schedule: String,
    duration: String,
    #[serde(deserialize_with = "or_default")]
    applications: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    namespaces: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    clusters: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    manual_sync: bool,
    #[serde(deserialize_with = "or_default")]
    time_zone: String,
    /// Whether applications, namespaces and clusters have to fit all, and not any.
    #[serde(deserialize_with = "or_default")]
    and_operator: bool,
}

/// The windows of one Application's project.
pub(super) struct Windows {
    project: String,
    read: Result<Vec<Window>, ApiError>,
}

/// Reads those of the project of `app`.
pub(super) async fn read(api: &Api, target: &Target, app: &App) -> Windows {
    let project = if app.spec.project.is_empty() { "default" } else { &app.spec.project }.to_owned();
    if !is_name(&project) {
        return Windows { project, read: Err(ApiError::Strange(Safe::fixed("its name is not one"))) };
    }
    let path = |namespace: &str| format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/appprojects/{project}");
    let mut read: Result<Project, _> = api.get(&path(&target.path.namespace)).await;
    if read.as_ref().is_err_and(|error| error.is(StatusCode::NOT_FOUND)) && target.path.namespace != NAMESPACE {
        read = api.get(&path(NAMESPACE)).await;
    }
    Windows { read: read.map(|project| project.spec.sync_windows), project }
}

impl Windows {
    /// What a person has to know of them before a sync of `app` at `now`, or why it is refused.
    pub(super) fn judge(&self, target: &Target, app: &App, now: World) -> Result<Vec<Fact>, Refusal> {
        let project = &self.project;
        let windows = match &self.read {
            Ok(windows) => windows,
            Err(error) if error.is(StatusCode::NOT_FOUND) => {
                let words = format!(
                    "AppProject {project} was not found, so its sync windows are not known, and without it Argo CD \
                     syncs nothing"
                );
                return Ok(vec![warning(LABEL, &words)]);
            }
            Err(error) => {
                let words =
                    format!("those of AppProject {project} could not be read ({error}): Argo CD may hold it up");
                return Ok(vec![warning(LABEL, &words)]);
            }
        };
        let Now { denies, closed, strange } = Now::of(windows, target, app, now);
        let mut facts = Vec::new();
        if !strange.is_empty() {
            let words = format!("not understood, so Argo CD may hold it up: {}", strange.join("; "));
            facts.push(warning(LABEL, &words));
        }
        if let Some((window, until)) = denies.iter().find(|(window, _)| !window.manual_sync) {
            return Err(refusal(said(&format!(
                "{target} is not synced now: the sync window {} of AppProject {project} is active until {until}. Wait \
                 for its end, or have manualSync set in it",
                window.words()
            ))));
        }
        if let Some((window, until)) = denies.first() {
            let words = format!("{} is active until {until}, and lets a sync by hand through", window.words());
            facts.push(fact(LABEL, &words));
        } else if !closed.is_empty() {
            let all: Vec<_> = closed.iter().map(|window| window.words()).collect();
            if closed.iter().any(|window| !window.manual_sync) {
                return Err(refusal(said(&format!(
                    "{target} is not synced now: AppProject {project} allows it only in its sync windows, and none is \
                     active: {}. Wait for one, or have manualSync set in each",
                    all.join("; ")
                ))));
            }
            facts.push(fact(
                LABEL,
                &format!("none is active, and each lets a sync by hand through: {}", all.join("; ")),
            ));
        }
        Ok(facts)
    }
}

impl Windows {
    /// Why Argo CD does not sync `app` by itself at `now`, as far as that is known: what lets a sync
    /// by hand through lets no other through.
    pub(super) fn holds_up(&self, target: &Target, app: &App, now: World) -> Option<String> {
        let Now { denies, closed, .. } = Now::of(self.read.as_ref().ok()?, target, app, now);
        let project = &self.project;
        if let Some((window, until)) = denies.first() {
            return Some(format!("not before {until} (window {} of AppProject {project})", window.words()));
        }
        let all: Vec<_> = closed.iter().map(|window| window.words()).collect();
        let only = all.join("; ");
        (!all.is_empty()).then(|| format!("not before a window of AppProject {project} is active ({only})"))
    }
}

/// The windows about one Application at one time.
#[derive(Default)]
struct Now<'a> {
    /// Those that are active and deny, and until when.
    denies: Vec<(&'a Window, String)>,
    /// Those that would allow it, where it has to be allowed and none of them is active.
    closed: Vec<&'a Window>,
    /// What is not understood.
    strange: Vec<String>,
}

impl<'a> Now<'a> {
    fn of(windows: &'a [Window], target: &Target, app: &App, now: World) -> Self {
        let (mut all, mut allowed) = (Self::default(), false);
        for window in windows {
            let active = window.concerns(target, app).and_then(|ours| if ours { window.active(now) } else { Ok(None) });
            match (window.kind.as_str(), active) {
                ("deny", Ok(Some(Active::Until(until)))) => all.denies.push((window, until)),
                ("allow", Ok(Some(Active::Until(_)))) => allowed = true,
                ("allow", Ok(Some(Active::Not))) => all.closed.push(window),
                ("deny" | "allow", Ok(_)) => {}
                (kind, Err(why)) => {
                    // It may allow it, for all that is known.
                    allowed |= kind == "allow";
                    all.strange.push(format!("{}: {why}", window.words()));
                }
                (kind, Ok(_)) => all.strange.push(format!("{}: `{kind}` is neither allow nor deny", window.words())),
            }
        }
        if allowed {
            all.closed.clear();
        }
        all
    }
}

/// Whether a window is active.
enum Active {
    Not,
    /// Until then, by its own clock.
    Until(String),
}

impl Window {
    /// `deny “0 22 * * *” for 8h (Europe/Berlin)`.
    fn words(&self) -> String {
        let zone = if self.time_zone.is_empty() { String::new() } else { format!(" ({})", self.time_zone) };
        format!("{} “{}” for {}{zone}", self.kind, self.schedule, self.duration)
    }

    /// Whether it is about `app`: by its name, its destination's namespace or its cluster.
    fn concerns(&self, target: &Target, app: &App) -> Result<bool, String> {
        let to = &app.spec.destination;
        let name = target.path.name.as_str();
        // Of a cluster one of address and name is not said; a namespace may be left out, and `*` is
        // any.
        let clusters: Vec<_> = [to.server.as_str(), &to.name].into_iter().filter(|said| !said.is_empty()).collect();
        let lists: [(&[String], &[&str]); 3] =
            [(&self.applications, &[name]), (&self.namespaces, &[&to.namespace]), (&self.clusters, &clusters)];
        let mut fits = Vec::new();
        for (patterns, texts) in lists.iter().filter(|(patterns, _)| !patterns.is_empty()) {
            let mut any = false;
            for pattern in *patterns {
                for text in *texts {
                    any |= glob(pattern, text)?;
                }
            }
            fits.push(any);
        }
        Ok(!fits.is_empty()
            && if self.and_operator { fits.iter().all(|fits| *fits) } else { fits.iter().any(|fits| *fits) })
    }

    fn active(&self, now: World) -> Result<Option<Active>, String> {
        let zone: Tz = match self.time_zone.as_str() {
            "" => Tz::UTC,
            zone => zone.parse().map_err(|_| format!("`{zone}` is not a time zone that is known"))?,
        };
        let (cron, length) = (Cron::parse(&self.schedule)?, duration::parse(&self.duration)?);
        if cron.never() {
            return Err("it never begins, and Argo CD takes that for active".to_owned());
        }
        // As Argo CD does it (`SyncWindow.active`): on the wall clock of the zone, with the difference
        // from UTC that it has now. In a night in which the clocks change a window ends at the same
        // time on the wall as in every other, an hour sooner or later than its length says.
        let here = now.with_timezone(&zone).naive_local();
        Ok(Some(match cron.last(here, length) {
            Some(begin) => Active::Until(format!("{} {zone}", (begin + length).format("%Y-%m-%d %H:%M"))),
            None => Active::Not,
        }))
    }
}

/// Whether `text` fits `pattern`, in which `*` is any run and `?` any character. Argo CD's patterns
/// know more than that.
fn glob(pattern: &str, text: &str) -> Result<bool, String> {
    if pattern.contains(['[', '{', '\\']) {
        return Err(format!("the pattern `{pattern}` is not understood"));
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Where the last star stood, and how much of the text it has taken.
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(of) => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, of) = (place + 1, taken + 1);
                }
                None => return Ok(false),
            },
        }
    }
    Ok(pattern.iter().skip(at).all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Until when a window of a night in Berlin is active.
    fn until(now: &str) -> Option<String> {
        let window = json!({ "kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "timeZone": "Europe/Berlin" });
        let window: Window = serde_json::from_value(window).unwrap();
        match window.active(now.parse().unwrap()).unwrap() {
            Some(Active::Until(until)) => Some(until),
            _ => None,
        }
    }

    #[test]
    fn a_window_ends_by_the_wall_clock_of_its_zone_also_when_the_clocks_change() {
        for (day, last) in [
            // From ten to six by the same clock: eight hours, nine when it is put back, seven when
            // it is put forward.
            ("2026-11-21", "2026-11-21T04:59:59Z"),
            ("2026-10-25", "2026-10-25T04:59:59Z"),
            ("2026-03-29", "2026-03-29T03:59:59Z"),
        ] {
            assert_eq!(until(last).as_deref(), Some(&*format!("{day} 06:00 Europe/Berlin")), "{last}");
            let end = last.parse::<World>().unwrap() + chrono::TimeDelta::seconds(1);
            assert_eq!(until(&end.to_rfc3339()), None, "{end}");
        }
        assert_eq!(until("2026-10-24T20:00:01Z").as_deref(), Some("2026-10-25 06:00 Europe/Berlin"));
        assert_eq!(until("2026-10-24T19:59:59Z"), None);
    }

    #[test]
    fn patterns_take_runs_and_single_characters() {
        for (pattern, text, fits) in [
            ("*", "shop", true),
            ("shop", "shop", true),
            ("shop", "shops", false),
            ("*-prod", "shop-prod", true),
            ("*-prod", "shop-production", false),
            ("s?op*", "shop", true),
            ("*a*b", "xaxbxb", true),
            ("", "shop", false),
        ] {
            assert_eq!(glob(pattern, text), Ok(fits), "{pattern} {text}");
        }
        assert!(glob("{a,b}", "a").is_err());
    }
}
