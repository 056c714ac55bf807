//! Writing a configuration: what loads, what is refused, and how well the refusal helps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use warroom::config::{
    Auth, Config, ConfigError, EXAMPLE, Places, Problem, ProcessEnv, Secret, WritePolicy, check, from_texts, init,
    load, show,
};
use warroom::model::name::Kind;
use warroom::model::service::{Side, Unit};

fn env() -> ProcessEnv {
    ProcessEnv { home: Some(PathBuf::from("/home/ana")), ..ProcessEnv::default() }
}

fn places() -> Places {
    Places::of(&env()).unwrap()
}

fn read(text: &str) -> Result<Config, ConfigError> {
    from_texts(vec![(PathBuf::from("/etc/warroom/config.toml"), text.to_owned())], &places(), &env())
}

fn problems(text: &str) -> Vec<Problem> {
    match read(text) {
        Err(ConfigError::Wrong(problems)) => problems,
        other => panic!("it was not found wrong: {other:?}"),
    }
}

/// The one problem of `text`, as it is printed.
fn problem(text: &str) -> String {
    let all = problems(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].to_string()
}

const SMALL: &str = "[environments.prod.kubernetes]\ncontext = \"prod\"\n";

#[test]
fn the_example_loads_and_says_what_it_says() {
    let config = read(EXAMPLE).unwrap();
    let names: Vec<_> = config.environments.iter().map(|env| env.name.as_str()).collect();
    assert_eq!(names, ["prod-eu", "staging"], "in the order of the file");
    let prod = &config.environments[0];
    assert!(prod.production && prod.write == WritePolicy::Ask);
    assert_eq!(prod.kubernetes.as_ref().unwrap().kubeconfig, Some("/home/ana/.kube/config".into()));
    assert_eq!(prod.alertmanager[0].auth, Some(Auth::Bearer(Secret::Env("ALERTS_TOKEN".into()))));
    let password = Secret::File("/home/ana/.config/warroom/prometheus.password".into());
    assert_eq!(prod.prometheus[0].auth, Some(Auth::Basic { user: "warroom".into(), password }));
    assert!(!config.environments[1].production);
    assert_eq!(config.default_env, Some("staging".into()));

    let checkout = &config.services[0];
    assert_eq!((checkout.name.as_str(), &checkout.depends_on[0]), ("checkout", &"payments".into()));
    let signal = &checkout.signals[0];
    assert!(signal.query.starts_with("sum(rate(") && !signal.query.contains('\n'));
    let threshold = signal.threshold.unwrap();
    assert_eq!((signal.unit, threshold.side, threshold.limit), (Unit::Ratio, Side::Above, 0.05));
    assert_eq!(checkout.routes[0].to_string(), "VirtualService shop/checkout");
    assert_eq!(config.services[1].workloads[1].kind, Kind::StatefulSet);
}

#[test]
fn what_is_shown_loads_to_the_same() {
    let config = read(EXAMPLE).unwrap();
    let shown = show(&config);
    let again = read(&shown).unwrap();
    assert_eq!(again, config, "{shown}");
}

#[test]
fn the_example_has_every_key_that_is_shown() {
    fn keys(value: &toml::Value, path: &str, all: &mut std::collections::BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let key = if ["environments.", "services.", "policies."].contains(&path) { "*" } else { key };
                    keys(value, &format!("{path}{key}."), all);
                }
            }
            toml::Value::Array(items) if items.iter().all(toml::Value::is_table) && !items.is_empty() => {
                items.iter().for_each(|item| keys(item, path, all));
            }
            _ => drop(all.insert(path.to_owned())),
        }
    }
    let of = |text: &str| {
        let mut all = std::collections::BTreeSet::new();
        keys(&toml::from_str(text).unwrap(), "", &mut all);
        all
    };
    let (example, shown) = (of(EXAMPLE), of(&show(&read(EXAMPLE).unwrap())));
    assert!(shown.is_subset(&example), "not in the example: {:?}", shown.difference(&example));
    let hidden: Vec<_> = example.difference(&shown).collect();
    assert!(hidden.iter().all(|key| key.ends_with("alarm_prefixes.") || key.ends_with("namespaces.")), "{hidden:?}");
}

#[test]
fn an_environment_is_production_and_read_only_unless_it_says_otherwise() {
    let config = read(SMALL).unwrap();
    let env = &config.environments[0];
    assert!(env.production);
    assert_eq!((env.write, env.drill), (WritePolicy::Deny, false));
    assert_eq!(env.write_window, Duration::from_secs(900));
    assert_eq!(config.default_env, Some("prod".into()), "the only one there is");
    assert_eq!(config.record.dir, Path::new("/home/ana/.local/state/warroom/incidents"));
}

#[test]
fn a_file_that_names_no_environment_leaves_the_rest_to_what_is_there() {
    let config = read("[record]\ngroup = \"0\"\n[screen]\ntheme = \"light\"\n").unwrap();
    assert_eq!(config.record.group.as_deref(), Some("0"));
    assert_eq!(config.environments.len(), 1);
    assert_eq!(config.environments[0].write, WritePolicy::Deny);
    assert_eq!(config.default_env.as_ref(), Some(&config.environments[0].name));
    assert!(config.notes.iter().any(|note| note.contains("no environment configured")), "{:?}", config.notes);
    assert_eq!(
        problem("default_env = \"prod\"\n"),
        "/etc/warroom/config.toml:1:15: there is no environment: add [environments.NAME] with the systems to look at"
    );
}

#[test]
fn an_unknown_key_is_an_error_with_its_place_and_the_nearest_one() {
    assert_eq!(
        problem("[environments.prod]\n  prodcution = false\n"),
        "/etc/warroom/config.toml:2:3: environments.prod has no key `prodcution`: did you mean `production`?"
    );
    assert_eq!(
        problem(&format!("{SMALL}\n[scren]\nmouse = true\n")),
        "/etc/warroom/config.toml:4:2: the configuration has no key `scren`: did you mean `screen`?"
    );
    assert!(problem(&format!("{SMALL}zzz = 1\n")).ends_with("it takes context, kubeconfig, namespaces, usage_every"));
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    let all = problems(
        "default_env = \"prdo\"\n[environments.prod]\nwrite = \"aks\"\nproduction = \"no\"\n\
         [environments.prod.kubernetes]\nusage_every = \"fast\"\n",
    );
    let text: Vec<_> = all.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.what)).collect();
    assert_eq!(
        text,
        [
            "1:15 there is no environment \"prdo\": did you mean \"prod\"?",
            "3:9 write is one of \"deny\", \"ask\"; did you mean \"ask\"?",
            "4:14 production is true or false, not a text",
            "6:15 usage_every is a length of time such as \"15s\", \"2m\" or \"1h 30m\"",
        ]
    );
}

#[test]
fn columns_count_characters() {
    let all = problems("environments = { prod = { color = \"grün\", wirte = \"ask\" } }");
    assert_eq!((all[0].line, all[0].column), (1, 43));
}

#[test]
fn a_file_that_is_not_toml_is_told_where() {
    let all = problems("[environments.prod]\nwrite = ask\n");
    assert_eq!((all[0].line, all[0].column), (2, 9), "{all:?}");
    let twice = problems(&format!("{SMALL}context = \"other\"\n"));
    assert_eq!(twice[0].line, 3, "{twice:?}");
}

#[test]
fn an_environment_that_may_be_changed_names_its_context() {
    let all =
        problem("[environments.prod]\nwrite = \"ask\"\n[environments.prod.kubernetes]\nnamespaces = [\"shop\"]\n");
    assert!(all.contains("kubernetes has no context") && all.contains("may be another tomorrow"), "{all}");
}

#[test]
fn a_bad_url_is_refused_without_being_repeated() {
    let text = |url: &str| format!("{SMALL}[environments.prod.prometheus]\nurl = \"{url}\"\n");
    assert!(read(&text("https://prometheus.example.com/")).is_ok(), "one source needs no list");
    assert!(problem(&text("prometheus.example.com")).contains(":4:7: url starts with https://"));
    assert!(problem(&text("https://prometheus.example.com/api/v1")).contains("drop /api/"));
    let with_password = problem(&text("https://ana:hunter2@prometheus.example.com"));
    assert!(with_password.contains("holds a user or password") && !with_password.contains("hunter2"));
}

#[test]
fn what_is_there_twice_is_refused() {
    let twice = "[[environments.prod.alertmanager]]\nurl = \"https://a\"\n[[environments.prod.alertmanager]]\nurl = \"https://b\"\n";
    assert!(problem(twice).contains(":3:1: this environment has a source alertmanager already"), "{}", problem(twice));
    let second = twice.replace("alertmanager", "prometheus").replace("\"https://b\"", "\"https://b\"\nname = \"eu\"");
    assert!(
        problem(&second).contains(":4:7: only the first Prometheus of an environment is asked"),
        "{}",
        problem(&second)
    );
    let reserved = "[environments.prod.alertmanager]\nurl = \"https://a\"\nname = \"pods\"\n";
    assert!(problem(reserved).contains(":3:8: this environment has a source pods already"));
    let workload =
        format!("{SMALL}[services.a]\nworkloads = [\"shop/x\"]\n[services.b]\nworkloads = [\"Deployment shop/x\"]\n");
    assert!(problem(&workload).contains(":6:14: this workload belongs to the service a already"));
}

#[test]
fn services_are_checked_against_each_other() {
    let with = |text: &str| problem(&format!("{SMALL}[services.payments]\n[services.checkout]\n{text}\n"));
    assert!(
        with("depends_on = [\"payment\"]")
            .contains(":5:15: there is no service \"payment\": did you mean \"payments\"?")
    );
    assert!(with("depends_on = [\"checkout\"]").contains("does not depend on itself"));
    assert!(with("workloads = [\"checkout\"]").contains("NAMESPACE/NAME"));
    assert!(with("workloads = [\"Node shop/x\"]").contains("StatefulSet"));
    assert!(
        with("routes = [\"Virtualservice shop/checkout\"]").contains(
            ":5:11: nothing of the kind \"Virtualservice\" divides traffic: did you mean \"VirtualService\"?"
        )
    );
    assert!(with("routes = [\"Node a\"]").contains("one of \"VirtualService NAMESPACE/NAME\""));
    for bare in ["HTTPRoute", "HTTPRoute checkout", "HTTPRoute shop/", "HTTPRoute shop/a/b", "HTTPRoute shop/a b"] {
        let said = with(&format!("routes = [\"{bare}\"]"));
        assert!(said.contains(":5:11: this route is \"HTTPRoute NAMESPACE/NAME\""), "{said}");
    }
    assert!(with("routes = [\"Service shop/x\", \"Service  shop/x\"]").contains(":5:29: \"Service  shop/x\" stands"));
    assert!(with("[[services.checkout.signals]]\nname = \"errors\"\nquery = \"up\"").contains("has no unit"));
    let both = "[[services.checkout.signals]]\nname = \"e\"\nquery = \"up\"\nunit = \"count\"\nabove = 1\nbelow = 0";
    assert!(with(both).contains("not both"));
    let hold = "[[services.checkout.signals]]\nname = \"e\"\nquery = \"up\"\nunit = \"count\"\nhold = \"1m\"";
    assert!(with(hold).contains("goes with a limit"));
}

#[test]
fn the_users_layer_is_laid_over_the_teams_key_by_key() {
    let team = "[screen]\ntz = \"Europe/Berlin\"\ntheme = \"dark\"\n[environments.prod]\ncolor = \"red\"\n\
                [environments.prod.kubernetes]\ncontext = \"prod\"\nnamespaces = [\"a\", \"b\"]\n";
    let user =
        "[screen]\ntheme = \"light\"\n[environments.prod.kubernetes]\nnamespaces = [\"c\"]\n[environments.mine]\n";
    let texts = |user: &str| vec![("/etc/w.toml".into(), team.to_owned()), ("/home/w.toml".into(), user.to_owned())];
    let config = from_texts(texts(user), &places(), &env()).unwrap();
    assert_eq!((config.screen.tz, config.screen.theme.as_deref()), (chrono_tz::Europe::Berlin, Some("light")));
    let kubernetes = config.environments[0].kubernetes.as_ref().unwrap();
    assert_eq!((kubernetes.context.as_deref(), &kubernetes.namespaces), (Some("prod"), &vec!["c".to_owned()]));
    assert_eq!(config.environments[1].name.as_str(), "mine");
    assert_eq!(config.default_env, None, "of two, none is assumed");

    let error = from_texts(texts("[screen]\nmouse = 1\n"), &places(), &env()).unwrap_err().to_string();
    assert!(error.starts_with("/home/w.toml:2:9: "), "the layer that says it: {error}");
}

#[test]
fn the_environment_is_chosen_by_name_or_told_to_be() {
    let config = read("[environments.prod-eu]\n[environments.prod-us]\n").unwrap();
    assert_eq!(config.environment(Some("prod-us")).unwrap().name.as_str(), "prod-us");
    assert!(config.environment(None).unwrap_err().to_string().contains("choose one of prod-eu, prod-us"));
    assert!(config.environment(Some("prod-ue")).unwrap_err().to_string().contains("did you mean prod-e"));
}

#[test]
fn secrets_in_clear_are_refused_with_what_to_do_and_never_repeated() {
    const SECRET: &str = "hunter2-xyzzy";
    let source = |line: &str| format!("{SMALL}[environments.prod.prometheus]\nurl = \"https://p\"\n{line}\n");
    for line in [
        "bearer = \"hunter2-xyzzy\"",
        "token = \"hunter2-xyzzy\"",
        "password = \"hunter2-xyzzy\"",
        "basic = { user = \"ana\", password = \"hunter2-xyzzy\" }",
        "bearer = { token = \"hunter2-xyzzy\", env = \"X\" }",
    ] {
        let error = problem(&source(line));
        assert!(error.contains("a secret does not belong in this file"), "{line}: {error}");
        assert!(error.contains("{ env = \"VARIABLE\" }") && !error.contains(SECRET), "{error}");
    }
    let slip = problems(&source("bearer = { env = \"hunter2-xyzzy\" }"));
    assert!(
        slip.iter().all(|one| !one.what.contains(SECRET)) && slip[0].what.contains("name of a variable"),
        "{slip:?}"
    );
    assert!(
        problem(&format!("{SMALL}[environments.prod.aws]\nsecret_key = \"hunter2-xyzzy\"\n"))
            .contains("does not belong")
    );

    let config = read(&source("bearer = { command = [\"vault\", \"hunter2-xyzzy\"] }")).unwrap();
    assert!(!show(&config).contains(SECRET), "arguments may be part of a secret");
}

#[test]
fn files_are_read_from_their_places_and_must_not_be_anybodys() {
    let folder = tempfile::tempdir().unwrap();
    let (team, user) = (folder.path().join("team.toml"), folder.path().join("user.toml"));
    let places = Places { config: vec![team.clone(), user.clone()], ..places() };
    assert!(load(&places, &env()).unwrap().files.is_empty(), "discovered");

    std::fs::write(&user, format!("{SMALL}kubeconfig = \"kube/config\"\n")).unwrap();
    std::fs::set_permissions(&user, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = load(&places, &env()).unwrap();
    assert_eq!(config.files, std::slice::from_ref(&user));
    let kubeconfig = config.environments[0].kubernetes.as_ref().unwrap().kubeconfig.clone();
    assert_eq!(kubeconfig, Some(folder.path().join("kube/config")), "relative to the file that says it");
    let checked = check(&places, &env());
    assert!(checked.good && checked.text.contains("1 environment and 0 services"), "{}", checked.text);
    assert!(checked.text.contains("prod: production, read-only, kubernetes (context prod)"), "{}", checked.text);

    std::fs::set_permissions(&user, std::fs::Permissions::from_mode(0o646)).unwrap();
    let error = load(&places, &env()).unwrap_err().to_string();
    assert!(error.contains("can be written by anybody") && error.contains("chmod o-w"), "{error}");
    std::fs::set_permissions(&user, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&user, "[environments.x]\nwriet = \"ask\"").unwrap();
    let checked = check(&places, &env());
    assert!(!checked.good && checked.text.contains("user.toml:2:1: "), "{}", checked.text);
}

#[test]
fn init_writes_an_example_for_its_owner_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warroom/config.toml");
    assert!(init(&path).unwrap().contains("config check"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), EXAMPLE);
    std::fs::write(&path, "mine").unwrap();
    assert!(init(&path).unwrap_err().to_string().contains("left as it is"), "{:?}", init(&path));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

proptest! {
    #[test]
    fn no_text_takes_the_reader_down(text in "[\\[\\]a-z.=\"{}', \n#0-9é\u{1b}]{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_slip_in_the_example_takes_it_down_or_goes_without_a_place(at in 0..EXAMPLE.len(), with in any::<char>()) {
        let at = (0..=at).rev().find(|at| EXAMPLE.is_char_boundary(*at)).unwrap();
        let text = format!("{}{with}{}", &EXAMPLE[..at], &EXAMPLE[at..]);
        if let Err(ConfigError::Wrong(all)) = read(&text) {
            prop_assert!(!all.is_empty() && all.iter().all(|one| one.line >= 1 && one.column >= 1));
        }
    }
}

const POLICY: &str = r#"
[environments.prod.kubernetes]
context = "prod"

[policies.floor]
say = "three are needed"
targets = ["shop/*"]
effect = "least-ready"
ready = 3

[[policies.floor.tests]]
action = "scale"
target = "shop/payments"
ready = 6
wanted = 2
expect = "denied"

[[policies.floor.tests]]
action = "scale"
target = "web/front"
ready = 6
wanted = 2
expect = "allowed"
"#;

#[test]
fn a_test_of_a_policy_that_fails_is_told_with_its_place_and_keeps_nobody_from_working() {
    let config = read(POLICY).unwrap();
    assert_eq!((config.policies.len(), config.policies[0].tests.len(), config.untrue.len()), (1, 2, 0));
    let config = read(&POLICY.replace("web/front", "shop/front")).unwrap();
    let failed: Vec<_> = config.untrue.iter().map(Problem::to_string).collect();
    assert_eq!(
        failed,
        ["/etc/warroom/config.toml:23:10: the policy floor is to say \"allowed\" of this plan, and says \"denied\""]
    );
    let dir = tempfile::tempdir().unwrap();
    let env = ProcessEnv { home: Some(dir.path().into()), ..ProcessEnv::default() };
    let places = Places::of(&env).unwrap();
    let file = places.config.last().unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, POLICY.replace("web/front", "shop/front")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let checked = check(&places, &env);
    assert!(!checked.good && checked.text.contains("config.toml:23:10"), "{}", checked.text);
    std::fs::write(file, POLICY).unwrap();
    let checked = check(&places, &env);
    assert!(checked.good && checked.text.contains("1 policy, 2 tests of theirs passed"), "{}", checked.text);
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    let wrong = |from: &str, to: &str| problem(&POLICY.replace(from, to));
    assert!(wrong("say = \"three are needed\"\n", "").contains("policies.floor has no say"));
    assert!(wrong("\"least-ready\"", "\"least-redy\"").contains("did you mean \"least-ready\"?"));
    assert!(wrong("ready = 3\n", "").contains("has no ready"));
    assert!(wrong("targets = [\"shop/*\"]", "actions = [\"scael\"]").contains("did you mean \"scale\"?"));
    let jumps = POLICY.replace("\"least-ready\"\nready = 3", "\"most-times\"\ntimes = 4.0\nactions = [\"restart\"]");
    assert!(problem(&jumps).contains("most-times is about scale and bound alone"));
    assert!(wrong("\"least-ready\"\nready = 3", "\"freeze\"\nfrom = \"16:00\"").contains("a freeze is from and to"));
    assert!(wrong("expect = \"denied\"", "expect = \"no\"").contains("expect is one of"));
}

/// The team's policies under a person's own layer: what is wrong, if anything is.
fn layered(own: &str) -> Vec<String> {
    let layer = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let freeze = "\n[policies.weekend]\nsay = \"nobody is there\"\neffect = \"freeze\"\ndays = [\"fri\", \"sat\"]\n\
                  from = \"16:00\"\nto = \"08:00\"\n";
    let team = layer("/etc/warroom/config.toml", &format!("{POLICY}{freeze}"));
    match from_texts(vec![team, layer("/home/ana/.config/warroom/config.toml", own)], &places(), &env()) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Wrong(problems)) => problems.iter().map(Problem::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_persons_own_layer_adds_policies_and_tightens_the_teams() {
    for own in [
        "[policies.mine]\nsay = \"not me\"\neffect = \"deny\"\nactions = [\"evacuate\"]\n",
        "[policies.floor]\nready = 4\n",
        "[policies.floor]\ntargets = [\"shop/*\", \"web/*\"]\ntests = []\n",
        "[policies.floor]\ntargets = []\ntests = []\n",
        "[policies.floor]\neffect = \"deny\"\nsay = \"let me be\"\n",
        "[policies.weekend]\ndays = [\"fri\", \"sat\", \"sun\"]\nfrom = \"15:00\"\nto = \"09:00\"\n",
    ] {
        assert_eq!(layered(own), Vec::<String>::new(), "{own}");
    }
}

#[test]
fn a_persons_own_layer_does_not_loosen_the_teams_policies_and_is_told_where_it_would() {
    let weak = |what: &str| {
        format!(
            "{what}. A layer over it may add policies and tighten these: take this out, or have the policy itself \
             changed"
        )
    };
    let floor = "the policy floor of /etc/warroom/config.toml is loosened here: ";
    let own = "/home/ana/.config/warroom/config.toml";
    assert_eq!(
        layered("# mine\n[policies.floor]\nready = 1\n"),
        [weak(&format!("{own}:3:1: {floor}1 are fewer than 3"))]
    );
    for (text, place, what) in [
        ("[policies.floor]\ntargets = [\"shop/payments\"]\n", "2:1", "its targets leave out plans"),
        ("[policies.floor]\ntiers = [\"grave\"]\n", "2:1", "its tiers leave out plans"),
        ("[policies.floor]\nenvironments = [\"staging\"]\n", "2:1", "its environments leave out plans"),
        ("policies.floor.kinds = [\"StatefulSet\"]\n", "1:16", "its kinds leave out plans"),
        ("[policies.weekend]\ndays = [\"fri\"]\n", "2:1", "does not cover all the time"),
        ("[policies.weekend]\nto = \"07:59\"\n", "2:1", "does not cover all the time"),
        ("[policies.weekend]\nzone = \"Asia/Tokyo\"\n", "2:1", "does not cover all the time"),
        ("[policies.weekend]\nfrom = \"20:00\"\nto = \"23:00\"\n", "2:1", "does not cover all the time"),
        ("[policies.weekend]\neffect = \"second-person\"\n", "2:1", "only \"deny\" is stricter"),
    ] {
        let said = layered(text);
        let hit = format!("{own}:{place}: the policy ");
        assert!(said.iter().any(|line| line.starts_with(&hit) && line.contains(what)), "{text}: {said:#?}");
    }
    // What removes one is no policy, and says so.
    assert!(layered("policies.floor = false\n")[0].contains("policies.floor is a table"));
    assert!(layered("policies = []\n")[0].contains("policies is a table"));
}
