//! Steps of a runbook, run by the engine: nothing without a durable intent, once, without the
//! terminal, within their time, and what they print on the record.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{AwsAccess, AwsCredentials, Environment, Inherited, LogAccess, WritePolicy, testing};
use crate::model::entry::EntryKind;
use crate::model::name::{ObjectPath, Origin};
use crate::model::plan::Outcome;
use crate::respond::kubernetes::Context;
use crate::respond::pad::{Pad, ana};
use crate::respond::{Ended, Engine, Left};

use super::*;

fn environment() -> Environment {
    testing::environment(WritePolicy::Ask)
}

struct Shelf {
    folder: tempfile::TempDir,
    engine: Engine,
    pad: Pad,
}

impl Shelf {
    fn of(env: &Environment) -> Self {
        let engine = Engine::new(env, Clock::real()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), engine, pad: Pad::default() }
    }

    fn new() -> Self {
        Self::of(&environment())
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("payments.md")
    }

    fn at(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }

    /// Writes a runbook of one step.
    fn write(&self, info: &str, command: &str) {
        std::fs::write(self.path(), format!("# Payments\n\n```{info}\n{command}\n```\n")).unwrap();
        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn want(&self, command: &str) -> Request {
        let target = Target {
            origin: Origin { env: "prod-eu".into(), source: "runbook".into() },
            kind: Kind::RunbookStep,
            path: ObjectPath::new("payments", "step-1"),
            uid: None,
        };
        let runbook = Safe::from(self.path().display().to_string());
        Request::RunStep { target, runbook, step: 1, command: crate::text::clean_block(command) }
    }

    async fn plan(&self, info: &str, command: &str) -> Plan {
        self.write(info, command);
        self.engine.plan(&self.want(command), &Cluster::default()).await.unwrap()
    }

    async fn apply(&self, plan: Plan) -> Ended {
        self.engine.apply(plan, &ana(), &self.pad, &|_| ()).await.unwrap()
    }

    /// What it printed, as it is on the record.
    fn printed(&self) -> String {
        let evidence = self.pad.last().evidence;
        evidence[0].excerpt.as_ref().map_or_else(String::new, |text| text.to_string())
    }
}

#[tokio::test]
async fn a_step_is_planned_run_once_and_told_with_what_it_printed() {
    let shelf = Shelf::new();
    let command = "echo one; echo two >&2; pwd";
    let plan = shelf.plan("sh", command).await;
    assert_eq!((plan.title.as_str(), plan.tier), ("run step 1 of the runbook of payments", Tier::Lowers));
    assert_eq!(plan.changed(), format!("runs {command}"));
    assert_eq!((plan.undo.as_ref(), plan.command.as_str()), (None, command));
    let facts: Vec<_> = plan.facts.iter().map(|fact| fact.words.as_str()).collect();
    assert!(facts[0].contains("sh -c, in /") && facts[0].contains("without the terminal"), "{facts:?}");
    assert!(facts[1].contains("TERM=dumb, no cluster, no AWS account"), "{facts:?}");
    assert!(facts[2].contains("60 s: it is killed then"), "{facts:?}");

    crate::tui::tests::plans::picture(&plan);
    let ended = shelf.apply(plan.clone()).await;
    let Outcome::Verified { words, .. } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "exit code 0, after 0 s, 3 lines of output");
    let folder = shelf.folder.path().canonicalize().unwrap();
    assert_eq!(shelf.printed(), format!("one\ntwo\n{}", folder.display()));
    assert_eq!(shelf.pad.last().evidence[0].query.as_deref(), Some(command));
    assert_eq!(shelf.pad.kinds(), [EntryKind::Intent, EntryKind::Outcome]);
    let again = shelf.engine.apply(plan, &ana(), &shelf.pad, &|_| ()).await.unwrap_err();
    assert!(again.why.contains("a plan writes once"), "{again}");
    let undo = Request::Undo { plan: Box::new(ended.plan) };
    let refusal = shelf.engine.plan(&undo, &Cluster::default()).await.unwrap_err();
    assert!(refusal.why.contains("has no inverse"), "{refusal}");
}

#[tokio::test]
async fn it_has_no_terminal_no_input_and_little_of_the_environment() {
    let shelf = Shelf::new();
    let command = "cat; (: < /dev/tty) 2>/dev/null && echo has || echo none; env | cut -d= -f1 | sort";
    shelf.apply(shelf.plan("sh", command).await).await;
    let printed = shelf.printed();
    let mut lines = printed.lines();
    assert_eq!(lines.next(), Some("none"), "{printed}");
    // The shell adds its own.
    let names: Vec<_> = lines.filter(|name| !matches!(*name, "PWD" | "OLDPWD" | "SHLVL" | "_")).collect();
    let known = [
        "AWS_CONFIG_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_SHARED_CREDENTIALS_FILE",
        "HOME",
        "KUBECONFIG",
        "LANG",
        "PATH",
        "TERM",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert!(names.contains(&"PATH") && names.contains(&"TERM"), "{names:?}");
}

#[tokio::test]
async fn a_command_that_fails_or_is_killed_says_how_it_ended() {
    let shelf = Shelf::new();
    for (command, words) in [
        ("echo no; exit 3", "exit code 3, after 0 s, 1 line of output"),
        ("kill -9 $$", "ended by signal 9, after 0 s, no output"),
        ("no-such-program-here", "exit code 127"),
    ] {
        let ended = shelf.apply(shelf.plan("sh", command).await).await.outcome;
        assert!(matches!(&ended, Outcome::Failed { why } if why.starts_with(words)), "{command}: {ended:?}");
    }
    assert!(shelf.printed().contains("not found"), "{}", shelf.printed());
}

fn lives(pid: &str) -> bool {
    // A zombie has ended; who is to wait for it is not of interest.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

async fn gone(pid: &str) {
    let wait = async {
        while lives(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{pid} still lives"));
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_what_it_started() {
    let shelf = Shelf::new();
    let plan = shelf.plan("sh timeout=1s", "sleep 1000 & echo $!; sleep 1000").await;
    let ended = shelf.apply(plan).await.outcome;
    assert!(
        matches!(&ended, Outcome::Failed { why } if why.starts_with("killed after 1 s, which was its limit")),
        "{ended:?}"
    );
    gone(shelf.printed().trim()).await;
    // What holds the output for ever does not hold the step.
    let ended = shelf.apply(shelf.plan("sh", "sleep 1000 & echo $!").await).await.outcome;
    assert_eq!(ended.as_str(), "verified", "{ended:?}");
    gone(shelf.printed().trim()).await;
}

#[tokio::test]
async fn a_session_that_ends_takes_its_command_with_it() {
    let shelf = Shelf::new();
    let fifo = shelf.at("pid");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let plan = shelf.plan("sh", &format!("echo $$ > {fifo}; sleep 1000")).await;
    let path = shelf.at("pid");
    let pid = std::thread::spawn(move || std::fs::read_to_string(path).unwrap());
    // As at the end of the program: the runtime goes, and with it whoever watches the child.
    let runtime = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ana = ana();
            let acting = shelf.engine.apply(plan, &ana, &shelf.pad, &|_| ());
            tokio::pin!(acting);
            while !pid.is_finished() {
                let step = tokio::time::timeout(Duration::from_millis(10), &mut acting).await;
                assert!(step.is_err(), "it runs");
            }
        });
        drop(runtime);
        pid.join().unwrap()
    });
    let pid = tokio::task::spawn_blocking(|| runtime.join().unwrap()).await.unwrap();
    gone(pid.trim()).await;
}

/// Runs a step until it says that it has begun, and has it stopped.
async fn stopped(shelf: &Shelf, command: &str) -> (Ended, String) {
    let fifo = shelf.at("begun");
    if !std::path::Path::new(&fifo).exists() {
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    }
    let plan = shelf.plan("sh", &command.replace("BEGUN", &format!("echo $$ > {fifo}"))).await;
    let (id, bob) = (plan.id.clone(), Safe::fixed("bob"));
    let stopping = async {
        let pid = tokio::task::spawn_blocking(move || std::fs::read_to_string(fifo).unwrap()).await.unwrap();
        assert!(shelf.engine.stop(&id, &bob) && shelf.engine.stop(&id, &Safe::fixed("ana")), "the first one is named");
        pid
    };
    let (ended, pid) = tokio::join!(shelf.apply(plan), stopping);
    assert!(!shelf.engine.stop(&id, &bob), "it is over");
    (ended, pid)
}

#[tokio::test]
async fn a_step_that_is_stopped_says_by_whom_and_what_it_printed_so_far() {
    let shelf = Shelf::new();
    let (ended, pid) = stopped(&shelf, "echo one; sleep 1000 & echo $!; BEGUN; sleep 1000; echo two").await;
    let Outcome::Failed { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert!(why.starts_with("stopped by bob (SIGTERM), after 0 s, 2 lines of output"), "{why}");
    assert!(shelf.pad.last().title.contains("failed, stopped by bob"), "{}", shelf.pad.last().title);
    let printed = shelf.printed();
    let (first, child) = printed.split_once('\n').unwrap();
    assert_eq!(first, "one");
    gone(pid.trim()).await;
    gone(child.trim()).await;
}

#[tokio::test]
async fn a_step_that_is_stopped_before_it_began_does_not_begin() {
    let shelf = Shelf::new();
    let plan = shelf.plan("sh", "echo done > done").await;
    assert!(!shelf.engine.stop(&plan.id, &Safe::fixed("bob")), "nothing runs yet");
    assert!(!shelf.engine.stop(&plan.id, &Safe::fixed("ana")));
    let ended = shelf.apply(plan).await;
    let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert!(why.ends_with("nothing was run, bob had it stopped before it began"), "{why}");
    assert_eq!(shelf.pad.kinds(), [EntryKind::Intent, EntryKind::Outcome]);
    assert!(!std::path::Path::new(&shelf.at("done")).exists());
}

#[tokio::test]
async fn a_step_that_is_stopped_while_its_process_is_made_ends_as_soon_as_there_is_one() {
    let shelf = Shelf::new();
    let plan = shelf.plan("sh", "sleep 1000").await;
    let steps = Steps::new(&environment(), None, Clock::real());
    steps.runs().insert(plan.id.clone(), Slot::Starting(None));
    assert!(steps.stop(&plan.id, &Safe::fixed("bob")) && steps.stop(&plan.id, &Safe::fixed("ana")));
    assert!(steps.run(&plan).is_none(), "nothing runs yet");
    steps.start(&plan).await.unwrap();
    steps.run(&plan).unwrap().ended().await;
    let Seen::Failed { why } = steps.look(&plan) else { panic!("{:?}", steps.look(&plan)) };
    assert!(why.starts_with("stopped by bob (SIGTERM)"), "{why}");
}

#[tokio::test]
async fn a_step_may_clean_up_and_one_that_will_not_end_is_killed() {
    let shelf = Shelf::new();
    let cleans = "trap 'echo cleaned; exit 0' TERM; BEGUN; while :; do sleep 0.01; done";
    let (ended, _) = stopped(&shelf, cleans).await;
    assert!(ended.outcome.words().starts_with("stopped by bob (SIGTERM), "), "{:?}", ended.outcome);
    assert_eq!(ended.outcome.as_str(), "failed");
    assert!(shelf.printed().ends_with("cleaned"), "{}", shelf.printed());

    let (ended, pid) = stopped(&shelf, "trap '' TERM; BEGUN; while :; do sleep 1000; done").await;
    assert!(ended.outcome.words().contains("SIGKILL"), "{:?}", ended.outcome);
    gone(pid.trim()).await;
}

/// A shell without a trap is gone at once: what it started has the whole time all the same.
#[tokio::test]
async fn what_a_stopped_step_started_may_clean_up_after_the_shell_is_gone() {
    let shelf = Shelf::new();
    let cleans = "(trap 'sleep 0.9; echo cleaned; exit 0' TERM; BEGUN; while :; do sleep 0.01; done) & wait";
    let (ended, pid) = stopped(&shelf, cleans).await;
    assert!(ended.outcome.words().starts_with("stopped by bob (SIGTERM), "), "{:?}", ended.outcome);
    assert!(shelf.printed().ends_with("cleaned"), "{}", shelf.printed());
    gone(pid.trim()).await;

    let (ended, _) =
        stopped(&shelf, "(trap '' TERM; echo $(exec sh -c 'echo $PPID'); BEGUN; while :; do sleep 1000; done) & wait")
            .await;
    assert!(ended.outcome.words().contains("(SIGTERM, and SIGKILL 5 s later)"), "{:?}", ended.outcome);
    gone(shelf.printed().lines().next().unwrap()).await;
}

#[tokio::test]
async fn a_plan_says_how_a_step_is_stopped() {
    let shelf = Shelf::new();
    let plan = shelf.plan("sh", "true").await;
    let words = &plan.facts.iter().find(|fact| *fact.label == *"limit").unwrap().words;
    assert!(words.ends_with("`:stop-step` ends it sooner (SIGTERM, SIGKILL after 5 s)"), "{words}");
}

#[tokio::test]
async fn what_it_prints_is_bounded_clean_and_without_secrets() {
    let shelf = Shelf::new();
    let command = "printf '\\033]0;owned\\007\\033[31mred\\033[0m\\n'; echo password=hunter22secret; printf '\\377\\n'";
    shelf.apply(shelf.plan("sh", command).await).await;
    let printed = shelf.printed();
    assert!(printed.starts_with("red\n") && !printed.contains('\u{1b}'), "{printed:?}");
    assert!(printed.contains("[redacted") && !printed.contains("hunter22secret"), "{printed:?}");

    let command = "i=0; while [ $i -lt 40000 ]; do echo line $i of many; i=$((i+1)); done";
    let ended = shelf.apply(shelf.plan("sh", command).await).await.outcome;
    assert!(ended.words().contains("40000 lines of output"), "{ended:?}");
    let printed = shelf.printed();
    assert!(printed.len() < 64 * 1024, "{}", printed.len());
    assert!(printed.starts_with("line 0 of many\n") && printed.ends_with("line 39999 of many"), "both ends");
    assert!(printed.contains("\n… [at least ") && printed.lines().all(|line| line.starts_with(['l', '…'])));
}

#[tokio::test]
async fn without_a_durable_intent_nothing_is_run() {
    let shelf = Shelf::new();
    let mark = shelf.at("ran");
    let plan = shelf.plan("sh", &format!("touch {mark}")).await;
    let full = Pad { full_from: Some(0), ..Pad::default() };
    let refusal = shelf.engine.apply(plan, &ana(), &full, &|_| ()).await.unwrap_err();
    assert!(refusal.why.contains("nothing was changed"), "{refusal}");
    assert!(!std::path::Path::new(&mark).exists());
}

#[tokio::test]
async fn a_runbook_that_changed_or_that_anybody_can_write_is_not_run() {
    let shelf = Shelf::new();
    let mark = shelf.at("ran");
    let command = format!("touch {mark}");
    let plan = shelf.plan("sh", &command).await;
    shelf.write("sh", "touch other");
    let ended = shelf.apply(plan).await.outcome;
    assert!(
        matches!(&ended, Outcome::Refused { why } if why.contains("nothing was run, the runbook changed")),
        "{ended:?}"
    );
    let refusal = shelf.engine.plan(&shelf.want(&command), &Cluster::default()).await.unwrap_err();
    assert!(refusal.why.contains("another than the one shown"), "{refusal}");

    shelf.write("sh", &command);
    std::fs::set_permissions(shelf.path(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let refusal = shelf.engine.plan(&shelf.want(&command), &Cluster::default()).await.unwrap_err();
    assert!(refusal.why.contains("chmod o-w"), "{refusal}");

    shelf.write("sh", "kubectl delete pod <pod>");
    let refusal = shelf.engine.plan(&shelf.want("kubectl delete pod <pod>"), &Cluster::default()).await.unwrap_err();
    assert!(refusal.why.contains("looks like a place to be filled in"), "{refusal}");
    std::fs::remove_file(shelf.path()).unwrap();
    assert!(shelf.engine.plan(&shelf.want(&command), &Cluster::default()).await.is_err());
    assert!(!std::path::Path::new(&mark).exists());
}

#[tokio::test]
async fn a_drill_runs_nothing() {
    let shelf = Shelf::of(&Environment { drill: true, ..environment() });
    shelf.write("sh", "touch ran");
    let refusal = shelf.engine.plan(&shelf.want("touch ran"), &Cluster::default()).await.unwrap_err();
    assert!(refusal.why.contains("a drill runs no commands"), "{refusal}");
}

#[tokio::test]
async fn after_a_crash_whether_it_ran_is_not_known_and_it_is_not_run_again() {
    let shelf = Shelf::new();
    let mut plan = shelf.plan("sh", "echo >> ran").await;
    // The process died half a minute ago.
    plan.read_at -= chrono::TimeDelta::seconds(30);
    let next = Engine::new(&environment(), Clock::real()).unwrap();
    let ended = next.settle(Left { begun: plan.read_at, plan, last: false }, &ana(), &shelf.pad).await.unwrap().outcome;
    let Outcome::Unknown { why } = &ended else { panic!("{ended:?}") };
    assert!(why.contains("whether the command ran, and how far, is not known"), "{why}");
    assert!(!shelf.folder.path().join("ran").exists());
}

fn access(profile: Option<String>, region: Option<String>) -> AwsAccess {
    AwsAccess {
        credentials: AwsCredentials::Ambient { profile },
        region,
        endpoints: Default::default(),
        alarm_prefixes: Vec::new(),
        alarms_every: Duration::from_secs(60),
        logs: LogAccess {
            groups: Vec::new(),
            every: Duration::from_secs(10),
            live_tail: Vec::new(),
            calls_per_second: 5.0,
        },
    }
}

#[test]
fn the_systems_are_those_that_the_configuration_pins() {
    let inherited = Inherited {
        path: Some("/bin".into()),
        home: Some("/home/ana".into()),
        lang: None,
        kubeconfig: Some("/elsewhere/config".into()),
        ..Inherited::default()
    };
    let aws = access(Some("prod".into()), Some("eu-west-1".into()));
    let env = Environment { aws: Some(aws), ..environment() };
    for (file, found) in [(None, "/elsewhere/config"), (Some(PathBuf::from("/own/config")), "/own/config")] {
        let context = Context { name: "prod-eu".into(), kubeconfig: file };
        let pinned = Pinned::with(&env, Some(&context), inherited.clone());
        assert_eq!(
            pinned.words(),
            "PATH, HOME, TERM=dumb, KUBECONFIG (context prod-eu), AWS_PROFILE=prod, AWS_REGION=eu-west-1"
        );
        let (variables, current) = pinned.variables().unwrap();
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        assert_eq!(value("AWS_PROFILE"), Some(OsString::from("prod")));
        let config = value("KUBECONFIG").unwrap().into_string().unwrap();
        let (first, second) = config.split_once(':').unwrap();
        assert_eq!(second, found);
        let text = std::fs::read_to_string(first).unwrap();
        assert_eq!(text, r#"{"apiVersion":"v1","current-context":"prod-eu","kind":"Config"}"#);
        let first = first.to_owned();
        drop(current);
        assert!(!std::path::Path::new(&first).exists());
    }
}

#[test]
fn an_account_that_only_the_sessions_own_environment_names_is_none_of_a_steps() {
    let inherited = Inherited {
        home: Some("/home/ana".into()),
        aws_config_file: Some("/elsewhere/config".into()),
        aws_credentials_file: Some("/elsewhere/credentials".into()),
        aws_region: Some("us-east-1".into()),
        ..Inherited::default()
    };
    let seen = |profile: Option<&str>| {
        let aws = access(profile.map(str::to_owned), None);
        let pinned = Pinned::with(&Environment { aws: Some(aws), ..environment() }, None, inherited.clone());
        let (variables, _) = pinned.variables().unwrap();
        let of_aws = variables.into_iter().filter(|(name, _)| name.starts_with("AWS_"));
        let all: Vec<_> = of_aws.map(|(name, value)| format!("{name}={}", value.display())).collect();
        (pinned.words(), all)
    };
    // AWS_PROFILE or keys name it there: the CLI would take [default] without them.
    let (words, variables) = seen(None);
    assert_eq!(words, "HOME, TERM=dumb, no cluster, no AWS account: set `profile`");
    let nothing =
        ["AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true"];
    assert_eq!(variables, nothing);
    // By its name, and found in the same files and in the same region as this program finds it.
    let (words, variables) = seen(Some("prod"));
    let found = [
        "AWS_PROFILE=prod",
        "AWS_REGION=us-east-1",
        "AWS_CONFIG_FILE=/elsewhere/config",
        "AWS_SHARED_CREDENTIALS_FILE=/elsewhere/credentials",
    ];
    assert_eq!(variables, found);
    assert_eq!(words, format!("HOME, TERM=dumb, no cluster, {}", found.join(", ")));
}
