//! A runbook as it is read on the screen: plain text, headings, and commands that can be run.

use std::time::Duration;

use crate::text::Safe;

/// How long a step may take if its block does not say.
pub const STEP_LIMIT: Duration = Duration::from_secs(60);
/// How long a block may say that it takes.
pub const LONGEST_STEP: Duration = Duration::from_secs(15 * 60);

/// How long a step that is stopped may take, with all that it started, before it is killed.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// One runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runbook {
    /// What stands in it, in order.
    pub blocks: Vec<Block>,
    /// How much of it is missing, in words, if it is too long.
    pub cut: Option<Safe>,
    /// Whether anybody on this machine could have written it.
    pub open_to_all: bool,
}

/// One part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Heading {
        /// 1 is the highest.
        level: u8,
        /// Its text.
        text: Safe,
    },
    /// A paragraph, or an item with its mark.
    Text {
        /// How far it is set in.
        depth: usize,
        /// Its text.
        text: Safe,
    },
    /// Text that stands as it was written: output, a configuration.
    Code(Safe),
    /// A command.
    Step(Step),
}

/// A command of a runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which it is, from 1 on.
    pub number: u32,
    /// Which shell reads it.
    pub shell: Shell,
    /// The command, exactly as it is run.
    pub command: Safe,
    /// How long it may take.
    pub limit: Duration,
    /// Why it is not run from here, if so.
    pub refused: Option<Safe>,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// `sh`.
    Sh,
    /// `bash`.
    Bash,
}

impl Shell {
    /// The program.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Bash => "bash",
        }
    }
}

impl Runbook {
    /// Its commands.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Step(step) => Some(step),
            Block::Heading { .. } | Block::Text { .. } | Block::Code(_) => None,
        })
    }

    /// One of them.
    pub fn step(&self, number: u32) -> Option<&Step> {
        self.steps().find(|step| step.number == number)
    }
}
