//! The autopilot: plays a responder by sending the commands that a person's keys would send, at
//! their world times. Needs no terminal and ends by itself.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use crate::clock::{Clock, Hold, World};
use crate::model::command::Command;
use crate::text::Safe;

use super::transcript::Transcript;
use super::{Core, Front, FrontError, Input, commands};

/// One thing that a responder does.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub at: World,
    /// The command line.
    pub line: String,
}

/// A front that plays a script.
#[derive(Debug)]
pub struct Autopilot {
    clock: Clock,
    steps: VecDeque<(World, Command)>,
    /// Keeps world time still from a step's moment until its command has been taken in.
    hold: Option<Hold>,
    transcript: Transcript,
}

impl Autopilot {
    /// Reads the script; a line that is no command is told with its time. Progress goes to
    /// `out`.
    pub fn new(clock: Clock, steps: Vec<Step>, out: impl Write + Send + 'static) -> Result<Self, String> {
        let mut script = Vec::new();
        for step in steps {
            let command = commands::parse(&step.line)
                .map_err(|why| format!("the responder's step at {}: {why}", step.at.format("%H:%M:%SZ")))?;
            script.push((step.at, command));
        }
        script.sort_by_key(|(at, _)| *at);
        Ok(Self { clock, steps: script.into(), hold: None, transcript: Transcript::new(out) })
    }
}

impl Front for Autopilot {
    async fn input(&mut self) -> Input {
        // The command of the last step has been taken in by now.
        self.hold = None;
        let Some((at, _)) = self.steps.front() else { return Input::Ended };
        self.hold = Some(self.clock.due(*at).await);
        match self.steps.pop_front() {
            Some((_, command)) => Input::Command(command),
            None => Input::Ended,
        }
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        match input {
            // The script confirms the plan that it asked for.
            Input::Command(Command::Confirm { typed, .. }) => {
                vec![Command::Confirm { plan: core.shown_plan().map(|plan| plan.id.clone()), typed }]
            }
            Input::Command(command) => vec![command],
            Input::Ended => vec![Command::Quit],
            Input::Terminal(_) | Input::Continued => Vec::new(),
        }
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        self.transcript.show(core).map_err(|error| FrontError::Gone(Safe::from(error.to_string())))
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn ready(&self) -> bool {
        self.transcript.is_taken()
    }
}
