//! Sessions under a storm of keys, behind proxies that hear every request: read-only ones change
//! nothing whatever is pressed, and with the write window open nothing is changed but what is on
//! the record, once.

mod stages;
mod storm;

use std::sync::{Arc, Mutex};

use crossterm::event::KeyCode;

use super::proxy::heard;
use super::wire::{Nature, nature};
use super::{Opening, Rehearsal, environment};
use crate::config::WritePolicy;
use crate::model::command::Command;
use crate::record::Archive;
use crate::record::testing::MemoryDisk;
use crate::session::{Core, Input, Signals, WriteWindow, commands};
use crate::tui::tests::fingers::{Fingers, ctrl, key};

/// Keys that are pressed while the write window is closed.
const KEYS: usize = 100_000;
/// And where the configuration allows no window: no gateway is there at all.
const FEWER: usize = 10_000;

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Any key: half of them are bound to something.
fn any_key(dice: &mut Dice) -> Input {
    const SPECIAL: [KeyCode; 13] = [
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
    ];
    const BOUND: &[u8] = b"123456 0XTzfjkhlgGd/nNuwaxcS:?tzqyrbeEps";
    match dice.below(10) {
        0..5 => key(KeyCode::Char(char::from(*dice.of(BOUND)))),
        5..7 => key(*dice.of(&SPECIAL)),
        7 => ctrl(char::from(*dice.of(b"fdulecz"))),
        _ => key(KeyCode::Char(char::from(b' ' + u8::try_from(dice.below(95)).unwrap()))),
    }
}

/// What there is to type after a command, for any command.
const ARGUMENTS: [&str; 18] = [
    "",
    "payments/payments 12",
    "payments/payments +1",
    "payments/payments",
    "payments second-gateway=20",
    "shop/checkout color=green",
    "storefront eu-central-1b 2h",
    "payments 1h because alertname=PaymentsCPUHigh",
    "payments/payments 2..8",
    "1",
    "checkout",
    "developers",
    "storm because",
    "rate-limit-storm because",
    "resolved",
    "SEV2",
    "mitigated",
    "3",
];

/// Every command by its name, with whatever can be read as its arguments.
fn every_command(env: &str) -> Vec<Input> {
    let own = format!("{env} because");
    let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([own.as_str()]).collect();
    let mut all = Vec::new();
    for command in commands::COMMANDS {
        let parsed: Vec<_> = arguments.iter().filter_map(|given| command.parse(given).ok()).collect();
        assert!(!parsed.is_empty(), "no arguments for {}: add some", command.id);
        all.extend(parsed.into_iter().map(Input::Command));
    }
    all
}

async fn session<P: FnMut(&Core) -> Vec<Input>>(opening: Opening, fingers: &mut Fingers<P>) -> Core {
    let core = Opening::core(&opening.env, &opening.catalogue, &opening.actor, &opening.clock);
    let session = opening.run(core, fingers, Signals::listen());
    match tokio::time::timeout(3 * super::PATIENCE, session).await {
        Ok((_, core)) => core,
        Err(_) => panic!("after {} keys the session goes on: {}", fingers.pressed, fingers.last),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_pressed_in_a_read_only_session_changes_nothing() {
    let world = Rehearsal::start(None, 60.0).await;
    let dir = tempfile::tempdir().unwrap();
    for (write, many) in [(WritePolicy::Deny, FEWER), (WritePolicy::Ask, KEYS)] {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let ear = {
            let told = Arc::clone(&told);
            move |system: &str, parts: &http::request::Parts, body: &[u8]| {
                // Not even a dry run: that is a request to write.
                if nature(system, parts, body) != Nature::Reads {
                    told.lock().unwrap().push(format!("{system}: {} {}", parts.method, parts.uri));
                }
            }
        };
        let behind = heard(&world.drill.endpoints, dir.path(), ear).await;
        let mut env = environment(&world.scenario, Some(&behind.endpoints));
        env.write = write;
        let name = env.name.to_string();
        let disk = MemoryDisk::default();
        let archive = Archive::on(dir.path().join("records"), Arc::new(disk));
        let opening = Opening { env, ..world.opening(&archive) };
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut left = many;
        // The write window is opened by its own question alone, which needs the name: where it
        // may be opened, nobody types that.
        let mut direct: Vec<Input> = every_command(&name)
            .into_iter()
            .filter(|input| {
                let opens = matches!(input, Input::Command(Command::OpenWrite { env, .. }) if *env == *name);
                write == WritePolicy::Deny || !opens
            })
            .collect();
        let mut fingers = Fingers::new(|core: &Core| {
            assert_eq!(core.window, WriteWindow::Closed);
            if left == 0 {
                return vec![Input::Ended];
            }
            let next = left.min(100);
            left -= next;
            let mut keys: Vec<Input> = (0..next).map(|_| any_key(&mut dice)).collect();
            // Between the keys every command by its name.
            for _ in 0..10 {
                if let Some(command) = direct.pop() {
                    keys.extend([key(KeyCode::Esc), key(KeyCode::Esc), command]);
                }
            }
            keys
        });
        let core = session(opening, &mut fingers).await;
        assert!(fingers.pressed >= many, "{}", fingers.pressed);
        drop(fingers);
        assert!(direct.is_empty(), "every command was given");
        assert!(core.actions.is_empty() && core.plan.is_none());
        assert!(core.picture.sources.rows().iter().any(|row| row.is_live()), "it was connected all the time");
        assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
    }
}
