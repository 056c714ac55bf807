//! Under a shell with job control: stopped, and back.

use rustix::process::{Pid, Signal, kill_process};

use crate::kit::{BOTH, Home, World};
use crate::terminal::Terminal;

/// An interactive shell in which the program is a job.
fn job(home: &Home, world: World) -> Terminal {
    let mut command = home.command("bash", &["--norc", "--noprofile", "-i"]);
    command.env("PS1", "shell$ ");
    command.env("HISTFILE", "/dev/null");
    let mut terminal = Terminal::start(command, 120, 40);
    terminal.reads("shell$ ");
    terminal.press(&format!("{} {}\r", env!("CARGO_BIN_EXE_warroom"), world.arguments.join(" ")));
    terminal.draws(world.header);
    terminal
}

fn leave(mut terminal: Terminal) {
    terminal.press("q");
    terminal.sees("the shell", |screen| !screen.alternate_screen() && screen.contents().contains("shell$ "));
    terminal.press("echo it ended with $?\r");
    terminal.reads("it ended with 0");
    terminal.press("exit\r");
    let ended = terminal.ends();
    ended.assert_restored();
}

#[test]
fn ctrl_z_gives_the_shell_the_terminal_and_fg_brings_the_screen_back() {
    for world in BOTH {
        let home = Home::new();
        let mut terminal = job(&home, world);
        for round in 0..3 {
            terminal.press("\u{1a}");
            // What is typed before the shell has said so is still the program's.
            terminal.sees("the shell", |screen| {
                !screen.alternate_screen() && screen.contents().matches("Stopped").count() == round + 1
            });
            terminal.press(&format!("echo this is round $(({round} + 100))\r"));
            terminal.reads(&format!("this is round {}", round + 100));
            // What is typed while it comes back is not lost.
            terminal.press("fg\r");
            terminal.sees("the screen", vt100::Screen::alternate_screen);
            terminal.press("?");
            terminal.draws("keys and commands");
            terminal.press("q");
            terminal.sees("no help", |screen| !screen.contents().contains("keys and commands"));
        }
        leave(terminal);
    }
}

#[test]
fn a_stop_that_nobody_announced_ends_in_a_screen_that_is_drawn_anew() {
    for world in BOTH {
        let home = Home::new();
        let mut terminal = home.start(world, 120, 40);
        terminal.draws(world.header);
        terminal.signal(Signal::STOP);
        terminal.resize(100, 30);
        terminal.signal(Signal::CONT);
        terminal.sees("the new size", |screen| {
            screen.alternate_screen()
                && screen.contents().lines().next().is_some_and(|line| line.contains(world.header))
                && screen.contents().lines().count() == 30
        });
        terminal.press("q");
        let ended = terminal.ends();
        assert!(ended.status.success(), "{:?}", ended.status);
        ended.assert_restored();
    }
}

#[test]
fn a_shell_that_goes_away_takes_the_stopped_program_with_it() {
    let home = Home::new();
    let mut terminal = job(&home, BOTH[0]);
    terminal.press("\u{1a}");
    terminal.reads("Stopped");
    // Who has just been told of its jobs is not warned again.
    terminal.press("jobs -p > job; exit\r");
    terminal.ends();
    let job = std::fs::read_to_string(home.path().join("job")).unwrap();
    let job = Pid::from_raw(job.trim().parse().unwrap()).unwrap();
    crate::kit::until("the program outlived its terminal", || kill_process(job, Signal::CONT).is_err());
}
