//! A runbook beside the incident: a step is run from the screen, tells what it printed, and one that
//! runs is stopped.

use crate::kit::{Home, LIVE};
use crate::terminal::Terminal;

const RUNBOOK: &str = r#"# Payments

Look first:

```sh
echo one; echo two; echo "three of $((1 + 2))"
```

Then wait. It cleans up when it is stopped, after its shell is gone:

```sh
(trap 'sleep 3; echo "cleaned up"; exit 0' TERM; echo begun; while :; do sleep 0.05; done) & wait
```
"#;

fn home() -> Home {
    let home = Home::new();
    let config = home.path().join("warroom/config.toml");
    let text =
        std::fs::read_to_string(&config).unwrap().replace("production = true", "production = true\nwrite = \"ask\"");
    std::fs::write(&config, text + "[services.payments]\nrunbook = \"payments.md\"\n").unwrap();
    std::fs::write(home.path().join("warroom/payments.md"), RUNBOOK).unwrap();
    home
}

fn opens_the_window(terminal: &mut Terminal) {
    terminal.press("w");
    terminal.draws("Open a write window");
    terminal.press("prod-eu\t");
    terminal.press("to see what is wrong\r");
    terminal.reads("WRITE ");
}

/// Plans the step that is chosen in the runbook and confirms it by its typed name.
fn runs(terminal: &mut Terminal, number: u32) {
    terminal.press("\r");
    let label = format!("Type step-{number} and press Enter to confirm: ");
    terminal.draws(&label);
    // Keys that come before the plan can have been read are left out.
    terminal.press_until("x", |screen| screen.contents().contains(&format!("{label}x")));
    terminal.press(&"\u{7f}".repeat(500));
    terminal.sees("an empty field", |screen| !screen.contents().contains(&format!("{label}x")));
    terminal.press(&format!("step-{number}\r"));
    terminal.sees("the plan gone", |screen| !screen.contents().contains(&label));
}

#[test]
fn a_step_is_run_from_the_screen_with_its_output_and_one_that_runs_is_stopped() {
    let home = home();
    let mut terminal = home.start(LIVE, 120, 50);
    terminal.draws(LIVE.header);
    opens_the_window(&mut terminal);
    terminal.press(":runbook payments\r");
    terminal.draws("Look first:");
    runs(&mut terminal, 1);
    terminal.sees("what it printed", |screen| {
        let contents = screen.contents();
        ["exit code 0, after 0 s, 3 lines of output", "one", "two", "three of 3"]
            .iter()
            .all(|part| contents.contains(part))
    });

    terminal.press("n");
    runs(&mut terminal, 2);
    terminal.reads("it runs, for ");
    terminal.reads("s stop it");
    terminal.press("s");
    // What is about to happen is said before it does.
    terminal.reads("SIGTERM, SIGKILL after 5 s");
    terminal.reads("stopped by ana (SIGTERM), after ");
    terminal.reads("cleaned up");
    terminal.press("q");
    terminal.press("q");
    let ended = terminal.ends();
    assert!(ended.status.success(), "{:?}", ended.status);
    ended.assert_restored();
    let left = |home: &Home| home.left_behind().len();
    crate::kit::until("the files of the steps are still there", || left(&home) == 0);
}
