//! The shipped drill from outside: its story, told by the servers that clients talk to.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value as Json, json};
use warroom::clock::{Clock, World};
use warroom::drill::{Drill, Options, Pace, Scenario, Times, Truth};

const SCENARIO: &str = "rate-limit-storm";

/// A drill that is looked at at chosen moments: world time stands still while it is.
struct Told {
    drill: Drill,
    clock: Clock,
    http: reqwest::Client,
    times: Times,
    truth: Truth,
    _dir: tempfile::TempDir,
}

impl Told {
    async fn start(seed: u64) -> Self {
        Self::of(SCENARIO, seed).await
    }

    async fn of(scenario: &str, seed: u64) -> Self {
        let scenario = Scenario::shipped(scenario).unwrap();
        let (times, truth) = (Times::new(&scenario, seed), scenario.truth(seed).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(seed, dir.path().join("run"));
        options.pace = Pace::Speed(Pace::MOST);
        let (clock, driver) = Clock::driven(scenario.epoch());
        let drill = Drill::start(scenario, options, driver).await.unwrap();
        assert_eq!(clock.now(), drill.opens);
        // Whoever comes second finds the provider of whoever came first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { drill, clock, http, times, truth, _dir: dir }
    }

    /// The value of a service's signal at `at`.
    async fn signal(&self, service: &str, signal: &str, at: World) -> f64 {
        let spec = self.drill.services.iter().find(|s| s.name.as_str() == service).unwrap();
        let query = spec.signals.iter().find(|s| s.name == signal).unwrap().query.to_string();
        let url = format!("{}/api/v1/query", self.drill.endpoints.prometheus);
        let time = at.timestamp().to_string();
        let found: Json = self
            .http
            .get(url)
            .query(&[("query", query.as_str()), ("time", &time)])
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        found["data"]["result"][0]["value"][1].as_str().unwrap_or_else(|| panic!("{found}")).parse().unwrap()
    }

    async fn breached(&self, service: &str, signal: &str, at: World) -> bool {
        let spec = self.drill.services.iter().find(|s| s.name.as_str() == service).unwrap();
        let threshold = spec.signals.iter().find(|s| s.name == signal).unwrap().threshold.unwrap();
        threshold.breached(self.signal(service, signal, at).await)
    }

    /// Names of the alerts that fire now, with since when.
    async fn alerts(&self) -> Vec<(String, World)> {
        let url = format!("{}/api/v2/alerts", self.drill.endpoints.alertmanager);
        let found: Json = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let told = |alert: &Json| {
            (
                alert["labels"]["alertname"].as_str().unwrap().to_owned(),
                alert["startsAt"].as_str().unwrap().parse().unwrap(),
            )
        };
        found.as_array().unwrap().iter().map(told).collect()
    }

    async fn scale(&self, replicas: u32) {
        let patch = json!({ "spec": { "replicas": replicas } });
        self.patch("/apis/apps/v1/namespaces/payments/deployments/payments/scale", &patch).await;
    }

    async fn patch(&self, path: &str, patch: &Json) {
        let url = format!("{}{path}", self.drill.endpoints.kubernetes);
        let request =
            self.http.patch(url).header("content-type", "application/merge-patch+json").body(patch.to_string());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// Has the second partner take so many percent of the calls, as `kubectl patch` would.
    async fn divert(&self, percent: u32) {
        let url = format!(
            "{}/apis/networking.istio.io/v1/namespaces/payments/virtualservices/partner-gateway",
            self.drill.endpoints.kubernetes
        );
        let at = |way: u32| format!("/spec/http/0/route/{way}/weight");
        let patch = json!([
            { "op": "test", "path": at(0), "value": 100 }, { "op": "replace", "path": at(0), "value": 100 - percent },
            { "op": "test", "path": at(1), "value": 0 }, { "op": "replace", "path": at(1), "value": percent },
        ]);
        let request =
            self.http.patch(url).header("content-type", "application/json-patch+json").body(patch.to_string());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    async fn object(&self, path: &str) -> Json {
        let url = format!("{}{path}", self.drill.endpoints.kubernetes);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }
}

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

fn near(found: World, told: World, what: &str) {
    assert!((found - told).abs() <= TimeDelta::seconds(60), "{what}: {found}, and the truth says {told}");
}

#[tokio::test]
async fn scaling_saves_the_checkout_and_the_fixed_release_cures_it() {
    for seed in [1, 2, 11] {
        save_and_cure(seed).await;
    }
}

async fn save_and_cure(seed: u64) {
    let told = Told::start(seed).await;
    let release = told.times.named("release").unwrap();
    assert!(!told.breached("payments", "errors", release - minutes(3)).await, "all is well before the release");
    let usual = told.signal("checkout", "errors", release - minutes(3)).await;
    assert!(usual < 0.005, "{usual} of checkouts fail on a quiet night");

    let hold = told.clock.due(told.truth.detected).await;
    drop(hold);
    let confirm = told.times.named("confirm").unwrap();
    let asked = told.times.named("asked").unwrap();
    let hold = told.clock.due(asked).await;
    told.drill.ask("developers").unwrap();
    assert!(told.drill.ask("nobody").is_err());
    drop(hold);

    let hold = told.clock.due(confirm).await;
    assert!(told.breached("checkout", "errors", confirm).await);
    assert!(told.breached("checkout", "p99", confirm).await);
    let refusals = told.signal("payments", "refusals", confirm).await;
    told.scale(12).await;
    drop(hold);

    let scaled = confirm + minutes(4);
    let hold = told.clock.due(scaled).await;
    assert!(!told.breached("checkout", "errors", scaled).await, "checkout is saved");
    assert!(!told.breached("checkout", "p99", scaled).await);
    assert!(told.breached("payments", "errors", scaled).await, "but payments is not");
    assert!(told.breached("payments", "p99", scaled).await);
    let more = told.signal("payments", "refusals", scaled).await;
    let mut at = confirm;
    while told.breached("checkout", "errors", at).await || told.breached("checkout", "p99", at).await {
        at += TimeDelta::seconds(15);
    }
    near(at, confirm + TimeDelta::seconds(80), "the relief of checkout");
    assert!(more > refusals * 1.15, "the partner refuses {more}/s after the scaling, {refusals}/s before");
    drop(hold);

    let hold = told.clock.due(told.truth.resolved).await;
    for (service, signal) in
        [("checkout", "errors"), ("payments", "errors"), ("payments", "p99"), ("payments", "refusals")]
    {
        assert!(!told.breached(service, signal, told.truth.resolved).await, "{service} {signal}");
    }
    assert_eq!(told.alerts().await, [], "nothing fires any more");
    // Mitigated is when the last breached signal of any service came back.
    let mut last = scaled;
    for signal in ["errors", "p99", "refusals"] {
        let mut at = scaled;
        while told.breached("payments", signal, at).await {
            at += TimeDelta::seconds(15);
        }
        last = last.max(at);
    }
    near(last, told.truth.mitigated, "the end of the harm");
    drop(hold);
    told.drill.shutdown().await;
}

#[tokio::test]
async fn without_the_scaling_checkout_stays_in_breach_until_the_fix_ships() {
    let told = Told::start(1).await;
    let fix = told.times.named("fix").unwrap();
    let hold = told.clock.due(fix).await;
    let mut at = told.truth.impact_start + minutes(3);
    while at < fix {
        assert!(told.breached("checkout", "errors", at).await, "at {at}");
        at += TimeDelta::seconds(30);
    }
    drop(hold);
    let after = fix + minutes(6);
    let hold = told.clock.due(after).await;
    assert!(!told.breached("checkout", "errors", after).await);
    assert!(!told.breached("payments", "errors", after).await);
    drop(hold);
    told.drill.shutdown().await;
}

#[tokio::test]
async fn diverting_to_the_second_partner_eases_the_checkout_and_does_not_cure_payments() {
    for seed in [1, 2, 11] {
        let told = Told::start(seed).await;
        let confirm = told.times.named("confirm").unwrap();
        let hold = told.clock.due(confirm).await;
        assert!(told.breached("checkout", "errors", confirm).await);
        let before = told.signal("checkout", "errors", confirm).await;
        let (slow, refusals) =
            (told.signal("checkout", "p99", confirm).await, told.signal("payments", "refusals", confirm).await);
        told.divert(45).await;
        drop(hold);

        let later = confirm + minutes(4);
        let hold = told.clock.due(later).await;
        let (errors, p99) =
            (told.signal("checkout", "errors", later).await, told.signal("checkout", "p99", later).await);
        let fewer = told.signal("payments", "refusals", later).await;
        assert!(!told.breached("checkout", "errors", later).await, "{errors} of checkouts fail, {before} did");
        assert!(p99 < slow * 0.8, "one of a hundred takes {p99} s, {slow} before");
        assert!(fewer < refusals, "{fewer}/s are refused, {refusals}/s before");
        assert!(told.breached("payments", "errors", later).await, "the second partner is too small to cure it");
        drop(hold);
        told.drill.shutdown().await;
    }
}

#[tokio::test]
async fn all_calls_to_the_second_partner_make_it_worse() {
    let told = Told::start(1).await;
    let confirm = told.times.named("confirm").unwrap();
    let hold = told.clock.due(confirm).await;
    let before = told.signal("payments", "errors", confirm).await;
    told.divert(100).await;
    drop(hold);
    let later = confirm + minutes(4);
    let hold = told.clock.due(later).await;
    let after = told.signal("payments", "errors", later).await;
    assert!(after > before, "{after} of charges are not captured, {before} before");
    drop(hold);
    told.drill.shutdown().await;
}

#[tokio::test]
async fn the_truth_is_what_the_servers_say_whatever_the_seed() {
    for seed in [1, 2, 3, 7, 42] {
        let told = Told::start(seed).await;
        let hold = told.clock.due(told.truth.detected + minutes(3)).await;
        let alerts = told.alerts().await;
        let first = alerts.iter().map(|(_, at)| *at).min().unwrap();
        near(first, told.truth.detected, "the first alert");
        let before = first - told.drill.opens;
        assert!(
            (TimeDelta::seconds(30)..TimeDelta::seconds(90)).contains(&before),
            "opens {before} before, seed {seed}"
        );
        let names: BTreeSet<_> = alerts.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains("PaymentsCPUHigh") && names.contains("CheckoutErrorRate"), "{names:?}");
        let mut at = told.times.named("release").unwrap() - minutes(2);
        while !told.breached("payments", "errors", at).await && !told.breached("payments", "p99", at).await {
            at += TimeDelta::seconds(15);
        }
        near(at, told.truth.impact_start, "the first harm");
        drop(hold);
        told.drill.shutdown().await;
    }
}

const CHECKOUT: &str = "/apis/apps/v1/namespaces/shop/deployments/checkout";
const HPA: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/checkout";

#[tokio::test]
async fn a_bad_deploy_is_eased_by_its_autoscalers_bounds_and_cured_through_git_alone() {
    for seed in [1, 2, 11] {
        eased_and_cured(seed).await;
    }
}

async fn eased_and_cured(seed: u64) {
    let told = Told::of("bad-deploy", seed).await;
    let release = told.times.named("release").unwrap();
    assert!(!told.breached("checkout", "errors", release - minutes(3)).await, "all is well before the release");
    let hold = told.clock.due(told.truth.detected + minutes(1)).await;
    let alerts = told.alerts().await;
    near(alerts.iter().map(|(_, at)| *at).min().unwrap(), told.truth.detected, "the first alert");
    let before = told.truth.detected - told.drill.opens;
    assert!((TimeDelta::seconds(20)..TimeDelta::seconds(130)).contains(&before), "opens {before} before, seed {seed}");
    let mut at = release - minutes(2);
    while !told.breached("checkout", "errors", at).await && !told.breached("checkout", "p99", at).await {
        at += TimeDelta::seconds(15);
    }
    near(at, told.truth.impact_start, "the first harm");
    let hpa = told.object(HPA).await;
    assert_eq!((&hpa["status"]["currentReplicas"], &hpa["spec"]["maxReplicas"]), (&json!(6), &json!(6)), "at its cap");

    // A bare scale is the autoscaler's to undo, a bare rollback Argo CD's.
    told.patch(&format!("{CHECKOUT}/scale"), &json!({ "spec": { "replicas": 12 } })).await;
    let image = |of: &Json| of["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    let mut template = told.object(CHECKOUT).await["spec"]["template"].clone();
    template["spec"]["containers"][0]["image"] = json!("registry.example/checkout:6.1.3");
    told.patch(CHECKOUT, &json!({ "spec": { "template": template } })).await;
    assert!(image(&told.object(CHECKOUT).await).ends_with(":6.1.3"));
    drop(hold);
    let hold = told.clock.due(told.clock.now() + TimeDelta::seconds(2)).await;
    assert!(image(&told.object(CHECKOUT).await).ends_with(":6.2.0"), "healed within two seconds");
    drop(hold);
    let hold = told.clock.due(told.clock.now() + TimeDelta::seconds(15)).await;
    assert_eq!(told.object(CHECKOUT).await["spec"]["replicas"], 6);
    drop(hold);

    let hold = told.clock.due(told.times.named("asked").unwrap()).await;
    told.drill.ask("developers").unwrap();
    drop(hold);
    let confirm = told.times.named("confirm").unwrap();
    let hold = told.clock.due(confirm).await;
    assert!(told.breached("checkout", "p99", confirm).await && told.breached("checkout", "errors", confirm).await);
    told.patch(HPA, &json!({ "spec": { "minReplicas": 12, "maxReplicas": 12 } })).await;
    drop(hold);
    let eased = confirm + minutes(4);
    let hold = told.clock.due(eased).await;
    assert_eq!(told.object(CHECKOUT).await["status"]["availableReplicas"], 12);
    assert!(!told.breached("checkout", "p99", eased).await, "orders are quick again");
    assert!(told.breached("checkout", "errors", eased).await, "but the release itself fails some");
    drop(hold);

    let hold = told.clock.due(told.truth.resolved).await;
    assert!(image(&told.object(CHECKOUT).await).ends_with(":6.2.1"), "the fix came through git");
    let mut at = eased;
    while told.breached("checkout", "errors", at).await {
        at += TimeDelta::seconds(15);
    }
    near(at, told.truth.mitigated, "the end of the harm");
    assert_eq!(told.alerts().await, [], "nothing fires any more");
    for service in ["payments", "storefront", "cart", "login"] {
        assert!(!told.breached(service, "errors", told.truth.resolved).await, "{service}");
    }
    drop(hold);
    told.drill.shutdown().await;
}

#[tokio::test]
async fn one_seed_tells_one_story_and_another_seed_another() {
    let read = async |seed: u64| {
        let told = Told::start(seed).await;
        let hold = told.clock.due(told.truth.detected + minutes(2)).await;
        let logs = warroom_logs(&told).await;
        let alerts = told.alerts().await;
        let values = told.signal("checkout", "errors", told.clock.now()).await;
        drop(hold);
        told.drill.shutdown().await;
        (logs, alerts, values.to_bits())
    };
    let (one, again, other) = (read(1).await, read(1).await, read(2).await);
    assert_eq!(one, again);
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
}

/// The log lines of the last minute of payments.
async fn warroom_logs(told: &Told) -> Vec<String> {
    let now = told.clock.now().timestamp_millis();
    let mut input = json!({ "logGroupName": "/prod/payments", "startTime": now - 60_000, "endTime": now });
    let mut lines = Vec::new();
    loop {
        let request = told.http.post(format!("{}/", told.drill.endpoints.cloudwatch_logs));
        let request = request.header("x-amz-target", "Logs_20140328.FilterLogEvents").body(input.to_string());
        let page: Json = request.send().await.unwrap().json().await.unwrap();
        lines.extend(
            page["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap().to_owned()),
        );
        match page["nextToken"].as_str() {
            Some(token) => input["nextToken"] = json!(token),
            None => return lines,
        }
    }
}

#[tokio::test]
async fn time_stands_still_when_paused_and_while_it_is_held() {
    let told = Told::start(5).await;
    told.drill.set_pace(Pace::Paused).unwrap();
    assert!(told.drill.set_pace(Pace::Speed(0.0)).is_err());
    assert!(told.drill.set_pace(Pace::Speed(f64::NAN)).is_err());
    told.drill.set_pace(Pace::Speed(Pace::MOST)).unwrap();
    let at = told.clock.now() + TimeDelta::seconds(5);
    let hold = told.clock.due(at).await;
    assert_eq!((told.clock.now(), told.drill.now()), (at, at), "the world is not ahead of the clock");
    drop(hold);
    let kubeconfig = told.drill.endpoints.kubeconfig.clone();
    assert!(kubeconfig.exists());
    told.drill.shutdown().await;
    assert!(!kubeconfig.exists());
}

#[tokio::test]
async fn a_drill_opens_only_inside_its_world_and_on_loopback() {
    let start = async |change: fn(&mut Options)| {
        let scenario = Scenario::shipped(SCENARIO).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(1, dir.path().to_owned());
        options.open_at = Some(scenario.epoch());
        change(&mut options);
        let (_clock, driver) = Clock::driven(scenario.epoch());
        Drill::start(scenario, options, driver).await.map(|_| ()).map_err(|why| why.to_string())
    };
    assert_eq!(start(|_| {}).await, Ok(()));
    let why = start(|options| options.listen = "0.0.0.0".parse().unwrap()).await.unwrap_err();
    assert!(why.contains("not a loopback address"), "{why}");
    let why = start(|options| options.open_at = options.open_at.map(|at| at - minutes(1))).await.unwrap_err();
    assert!(why.contains("its world begins at"), "{why}");
}
