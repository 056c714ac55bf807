//! Times and lengths as people read them, and trends as text.

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::clock::World;
use crate::model::entry::{Actor, ActorKind};

/// Columns of the widest trend.
const TREND: usize = 40;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How times of one document are written: with the date where it spans several days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) tz: Option<Tz>,
    pub(super) dates: bool,
    /// What `T` counts from.
    pub(super) zero: Option<World>,
}

impl Times {
    /// `03:12Z`.
    pub(super) fn minute(&self, at: World) -> String {
        at.format(if self.dates { "%m-%d %H:%MZ" } else { "%H:%MZ" }).to_string()
    }

    /// `03:12:05Z`.
    pub(super) fn second(&self, at: World) -> String {
        at.format(if self.dates { "%m-%d %H:%M:%SZ" } else { "%H:%M:%SZ" }).to_string()
    }

    /// The local time, if a zone was chosen: `05:12 CEST`.
    pub(super) fn local(&self, at: World) -> String {
        let pattern = if self.dates { "%m-%d %H:%M %Z" } else { "%H:%M %Z" };
        self.tz.map(|tz| at.with_timezone(&tz).format(pattern).to_string()).unwrap_or_default()
    }

    /// Minutes since the impact started: `T+12`, `T-3`; empty if that is not known.
    pub(super) fn since(&self, at: World) -> String {
        // Full minutes of the clock, so that rows of one minute carry one number.
        let minutes = |time: World| time.timestamp().div_euclid(60);
        self.zero.map(|zero| format!("T{:+}", minutes(at) - minutes(zero))).unwrap_or_default()
    }
}

/// `45 s`, `4 min`, `4 min 30 s`, `1 h 05 min`, `2 d 3 h`.
pub(super) fn length(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 if seconds % 60 != 0 => format!("{minutes} min {} s", seconds % 60),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Who did it, short: `ana` of `ana@example.com` and of an assumed role's ARN; a pipeline by its
/// whole name. Empty for the program itself: the source tells.
pub(super) fn who(actor: &Actor) -> String {
    match actor.kind {
        ActorKind::System => return String::new(),
        ActorKind::Automation => return actor.name.to_string(),
        ActorKind::Human => {}
    }
    let name = actor.name.rsplit('/').next().unwrap_or_default();
    let name = name.split('@').next().unwrap_or_default();
    if name.is_empty() { actor.name.to_string() } else { name.to_owned() }
}

/// `1 alert`, `2 alerts`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A trend of at most 40 columns; each shows the highest of its values, `·` where there is none.
pub(super) fn trend(values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().filter(|value| value.is_finite());
    let (low, high) =
        known().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    let width = values.len().min(TREND);
    let bar = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        // Between 0 and 7: the casts lose nothing that shows.
        BARS.get((share * 7.0).round() as usize).copied().unwrap_or('█')
    };
    let highest =
        |chunk: &[Option<f64>]| chunk.iter().flatten().copied().filter(|value| value.is_finite()).reduce(f64::max);
    let chunk = |at: usize| values.get(at * values.len() / width..(at + 1) * values.len() / width).unwrap_or_default();
    (0..width).map(|at| highest(chunk(at)).map_or('·', bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_people_say_them() {
        for (seconds, text) in [
            (0, "0 s"),
            (45, "45 s"),
            (60, "1 min"),
            (90, "1 min 30 s"),
            (1234, "20 min"),
            (3900, "1 h 05 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(length(TimeDelta::seconds(seconds)), text);
        }
    }

    #[test]
    fn a_trend_shows_its_shape_and_what_is_missing() {
        assert_eq!(trend(&[Some(0.0), Some(1.0), None, Some(0.5)]), "▁█·▅");
        assert_eq!(trend(&[Some(2.0), Some(2.0)]), "▁▁");
        assert_eq!(trend(&[]), "");
        assert_eq!(trend(&[Some(f64::NAN), Some(1.0)]), "·▁");
        assert!(trend(&vec![Some(1.0); 1000]).chars().count() <= TREND);
    }

    #[test]
    fn people_are_called_by_the_short_form_of_their_name() {
        let actor = |name: &str| Actor { kind: ActorKind::Human, name: name.into(), known_by: None };
        assert_eq!(who(&actor("ana@example.com")), "ana");
        assert_eq!(who(&actor("arn:aws:sts::1:assumed-role/oncall/ana")), "ana");
        assert_eq!(who(&Actor::system()), "");
        let pipeline = Actor { kind: ActorKind::Automation, ..actor("ci/payments") };
        assert_eq!(who(&pipeline), "ci/payments");
    }
}
