//! The plain front: a linear stream for pipes, screen readers and dumb terminals. Commands are
//! read a line each.

use std::io::Write;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Split};

use crate::model::command::{Command, View};
use crate::text::Safe;

use super::transcript::Transcript;
use super::{Core, Front, FrontError, Input, commands, offered};

/// A front of lines.
#[derive(Debug)]
pub struct Plain<R> {
    /// `None` once the input has ended: the stream goes on without commands.
    lines: Option<Split<BufReader<R>>>,
    /// What a command line that made no sense is answered with.
    complaint: Option<String>,
    transcript: Transcript,
}

impl<R: AsyncRead + Unpin> Plain<R> {
    /// Reads command lines from `input`, prints to `out`.
    pub fn new(input: R, out: impl Write + Send + 'static) -> Self {
        Self { lines: Some(BufReader::new(input).split(b'\n')), complaint: None, transcript: Transcript::new(out) }
    }
}

impl<R: AsyncRead + Unpin> Front for Plain<R> {
    async fn input(&mut self) -> Input {
        loop {
            let Some(lines) = &mut self.lines else { return std::future::pending().await };
            match lines.next_segment().await {
                // Bytes that are no text are a wrong line, not the end of all lines.
                Ok(Some(line)) => match String::from_utf8_lossy(&line).trim() {
                    "" => {}
                    line => match commands::parse(line.trim_start_matches(':')) {
                        Ok(command) => return Input::Command(command),
                        Err(why) => {
                            self.complaint = Some(why);
                            return Input::Continued;
                        }
                    },
                },
                // A pipe that is closed, a terminal that hung up: recording goes on until a
                // signal or `quit` ends it.
                Ok(None) | Err(_) => self.lines = None,
            }
        }
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        match input {
            Input::Command(Command::View(View::Help)) => {
                let list: Vec<_> = commands::COMMANDS
                    .iter()
                    .filter(|command| !matches!(command.parse(""), Ok(Command::View(_))))
                    .filter(|command| offered(core.may_act(), &core.window)(command))
                    .map(|command| format!("{} {}", command.id, command.args))
                    .collect();
                self.complaint = Some(list.join(" | "));
                Vec::new()
            }
            // There is no view and no clipboard here: say so rather than nothing.
            Input::Command(Command::View(_)) => {
                self.complaint =
                    Some("that changes the screen, and there is none here; `help` lists what works".into());
                Vec::new()
            }
            Input::Command(Command::Copy { text }) => {
                self.complaint = Some(format!("there is no clipboard here: {text}"));
                Vec::new()
            }
            Input::Command(Command::Confirm { typed, .. }) => {
                vec![Command::Confirm { plan: self.transcript.plan_printed().cloned(), typed }]
            }
            Input::Command(command) => vec![command],
            Input::Ended => vec![Command::Quit],
            Input::Terminal(_) | Input::Continued => Vec::new(),
        }
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        let gone = |error: std::io::Error| FrontError::Gone(Safe::from(error.to_string()));
        if let Some(complaint) = self.complaint.take() {
            self.transcript.say(&Safe::from(complaint)).map_err(gone)?;
        }
        self.transcript.show(core).map_err(gone)
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn ready(&self) -> bool {
        self.transcript.is_taken()
    }

    fn wants_frame(&self) -> bool {
        self.complaint.is_some()
    }
}

#[cfg(test)]
mod tests;
