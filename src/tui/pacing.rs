//! How soon one frame follows another.
//!
//! Owns: the time between frames that no key asked for. Must not: keep a key waiting, which the loop
//! answers at once.

use std::time::Duration;

/// Frames of a local terminal, and of one behind SSH.
const LOCAL: Duration = Duration::from_millis(33);
const SSH: Duration = Duration::from_millis(100);
/// Frames take no more than one part in so many of a core: the machine may be in trouble itself.
const SHARE: u32 = 40;
/// They come this often at least, however long one takes, and however little there is to see.
const SLOWEST: Duration = Duration::from_millis(250);
/// After so many frames in a row that left the screen as it was, the next ones come as seldom as any.
const MOST_UNCHANGED: u32 = 3;

/// What the last frames were like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacing {
    fastest: Duration,
    /// How long the last one took to draw.
    cost: Duration,
    /// How many in a row left the screen as it was: what comes in is about what nobody looks at.
    pub(super) unchanged: u32,
}

impl Pacing {
    /// For a terminal on this machine or behind SSH.
    pub(super) fn new(ssh: bool) -> Self {
        Self { fastest: if ssh { SSH } else { LOCAL }, cost: Duration::ZERO, unchanged: 0 }
    }

    /// A frame took `cost` to draw, and something on the screen `changed` by it or not.
    pub(super) fn drawn(&mut self, cost: Duration, changed: bool) {
        self.cost = cost;
        self.unchanged = if changed { 0 } else { (self.unchanged + 1).min(MOST_UNCHANGED) };
    }

    /// The shortest time from the last frame to the next.
    pub(super) fn next(&self) -> Duration {
        (self.fastest.max(self.cost * SHARE) * (1 << self.unchanged)).min(SLOWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_screen_that_is_costly_to_draw_is_drawn_more_seldom() {
        for (ssh, cost, next) in [
            (false, ms(0), ms(33)),
            (true, ms(0), ms(100)),
            (false, ms(2), ms(80)),
            (true, ms(2), ms(100)),
            (true, ms(30), ms(250)),
        ] {
            let mut pacing = Pacing::new(ssh);
            pacing.drawn(cost, true);
            assert_eq!(pacing.next(), next, "{ssh} {cost:?}");
        }
    }

    #[test]
    fn a_screen_on_which_nothing_changes_is_drawn_ever_more_seldom_until_something_does() {
        let mut pacing = Pacing::new(false);
        let seldom = [66, 132, 250, 250, 250].map(|next| {
            pacing.drawn(ms(0), false);
            (pacing.next(), ms(next))
        });
        assert!(seldom.iter().all(|(next, expected)| next == expected), "{seldom:?}");
        pacing.drawn(ms(0), true);
        assert_eq!(pacing.next(), ms(33));
    }
}
