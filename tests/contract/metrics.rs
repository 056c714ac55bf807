//! A real Prometheus with rules, and a real Alertmanager that it tells.
//!
//! Prometheus scrapes an exporter of this test on loopback, so that values are the test's own.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use warroom::model::alert::AlertState;
use warroom::model::entry::EntryKind;
use warroom::model::signal::SourceState;

use crate::kit::{Session, configured, said};

/// Both servers, started by this test in a folder of its own, because it stops and starts them.
struct Servers {
    _folder: tempfile::TempDir,
    root: std::path::PathBuf,
    prometheus_port: u16,
    alertmanager_port: u16,
    running: Vec<(&'static str, Child)>,
    bad: Arc<AtomicBool>,
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Servers {
    async fn start() -> Self {
        let bad = Arc::new(AtomicBool::new(false));
        let exporter = exporter(Arc::clone(&bad)).await;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let (prometheus_port, alertmanager_port) = (free_port(), free_port());
        let write = |name: &str, text: String| std::fs::write(root.join(name), text).unwrap();
        write("am.yml", "route: {receiver: none, group_wait: 0s}\nreceivers: [{name: none}]\n".into());
        write(
            "prometheus.yml",
            format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
                 alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager_port}']}}]}}]}}\n\
                 scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{exporter}']}}]}}]\n"
            ),
        );
        write(
            "rules.yml",
            "groups: [{name: shop, rules: [{alert: CheckoutErrors, expr: 'error_ratio > 0.1', for: 2s, \
             labels: {severity: critical, service: checkout}, annotations: {summary: 'checkout fails'}}]}]\n"
                .into(),
        );
        let mut servers = Self { _folder: folder, root, prometheus_port, alertmanager_port, running: Vec::new(), bad };
        servers.run("alertmanager").await;
        servers.run("prometheus").await;
        servers
    }

    async fn run(&mut self, name: &'static str) {
        let at = |file: &str| self.root.join(file).display().to_string();
        let (program, port, arguments) = if name == "prometheus" {
            let own = vec![
                format!("--config.file={}", at("prometheus.yml")),
                format!("--storage.tsdb.path={}", at("tsdb")),
                format!("--web.listen-address=127.0.0.1:{}", self.prometheus_port),
            ];
            (said("WARROOM_REAL_PROMETHEUS"), self.prometheus_port, own)
        } else {
            let own = vec![
                format!("--config.file={}", at("am.yml")),
                format!("--storage.path={}", at("am")),
                format!("--web.listen-address=127.0.0.1:{}", self.alertmanager_port),
                "--cluster.listen-address=".to_owned(),
            ];
            (said("WARROOM_REAL_ALERTMANAGER"), self.alertmanager_port, own)
        };
        let log = std::fs::File::create(self.root.join(format!("{name}.log"))).unwrap();
        let child =
            std::process::Command::new(&program).args(&arguments).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.running.push((name, child.unwrap_or_else(|why| panic!("{program}: {why}"))));
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        let client = plain_client();
        let wait = async {
            while !client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("{name} is not ready"));
    }

    fn stop(&mut self, name: &str) {
        let at = self.running.iter().position(|(one, _)| *one == name).unwrap();
        let (_, mut child) = self.running.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn alertmanager(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.alertmanager_port)
    }

    fn config(&self, extra: &str) -> warroom::config::Config {
        configured(&format!(
            "[environments.real]\nproduction = false\n\
             [[environments.real.alertmanager]]\nurl = \"{}\"\nevery = \"1s\"\n\
             [[environments.real.prometheus]]\nurl = \"http://127.0.0.1:{}\"\nevery = \"5s\"\n\
             [services.checkout]\nalarms = [\"Checkout*\"]\n\
             [[services.checkout.signals]]\nname = \"errors\"\nquery = 'error_ratio'\nunit = \"ratio\"\nabove = 0.1\n\
             hold = \"15s\"\nrecover = \"15s\"\n{extra}",
            self.alertmanager(""),
            self.prometheus_port,
        ))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn plain_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Serves `error_ratio`: 0.01, or 0.5 while it is bad.
async fn exporter(bad: Arc<AtomicBool>) -> String {
    let metrics = move || async move {
        let value = if bad.load(Ordering::SeqCst) { 0.5 } else { 0.01 };
        format!("# TYPE error_ratio gauge\nerror_ratio {value}\n")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = axum::Router::new().route("/metrics", axum::routing::get(metrics));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn an_alert_fires_is_silenced_and_resolves_and_the_breach_recovers() {
    let servers = Servers::start().await;
    let wrong = "[[services.checkout.signals]]\nname = \"wrong\"\nquery = 'sum(('\nunit = \"ratio\"\nabove = 1\n\
                 hold = \"15s\"\nrecover = \"15s\"\n";
    let mut session = Session::start(&servers.config(wrong));
    session.until("both are live", |s| s.live("alertmanager") && s.live("prometheus")).await;
    session.until("good values", |s| s.samples.iter().any(|sample| sample.value == Some(0.01))).await;
    let limited = session.limited("prometheus").unwrap_or_default();
    assert!(limited.contains("wrong") && limited.contains("refused"), "{limited}");

    servers.bad.store(true, Ordering::SeqCst);
    session.until("the alert", |s| s.count(EntryKind::AlertFiring, "CheckoutErrors") == 1).await;
    session.until("the breach", |s| s.count(EntryKind::Breach, "checkout") == 1).await;
    let row = session.picture.alerts.rows().iter().find(|row| row.alert.name == "CheckoutErrors").unwrap();
    assert_eq!(row.service.as_ref().map(|name| name.as_str()), Some("checkout"));
    assert_eq!(row.alert.summary.as_deref(), Some("checkout fails"));

    let (starts, ends) = (session.now(), session.now() + TimeDelta::minutes(10));
    let silence = serde_json::json!({
        "matchers": [{"name": "alertname", "value": "CheckoutErrors", "isRegex": false, "isEqual": true}],
        "startsAt": starts.to_rfc3339(), "endsAt": ends.to_rfc3339(), "createdBy": "ana", "comment": "known",
    });
    let answer = plain_client().post(servers.alertmanager("/api/v2/silences")).json(&silence).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    session.until("the silence", |s| s.count(EntryKind::AlertSuppressed, "CheckoutErrors") == 1).await;
    let id = answer.json::<serde_json::Value>().await.unwrap()["silenceID"].as_str().unwrap().to_owned();
    let gone = plain_client().delete(servers.alertmanager(&format!("/api/v2/silence/{id}"))).send().await.unwrap();
    assert!(gone.status().is_success(), "{gone:?}");
    session
        .until("it is heard again", |s| s.picture.alerts.rows().iter().any(|row| row.alert.state == AlertState::Firing))
        .await;

    servers.bad.store(false, Ordering::SeqCst);
    session.until("the end of the alert", |s| s.count(EntryKind::AlertResolved, "CheckoutErrors") == 1).await;
    session.until("the recovery", |s| s.count(EntryKind::Recovered, "checkout") == 1).await;
    assert_eq!(session.count(EntryKind::Breach, "checkout"), 1);
    session.end().await;

    // Who comes late meets the same breach and the same recovery, from the server's own past.
    let late = Session::after_its_past(&servers.config(""), TimeDelta::minutes(10)).await;
    assert_eq!((late.count(EntryKind::Breach, "checkout"), late.count(EntryKind::Recovered, "checkout")), (1, 1));
    late.end().await;
}

async fn servers_that_go_away_come_back_with_their_data_and_nothing_twice() {
    let mut servers = Servers::start().await;
    servers.bad.store(true, Ordering::SeqCst);
    let mut session = Session::start(&servers.config(""));
    session.until("the alert", |s| s.count(EntryKind::AlertFiring, "CheckoutErrors") == 1).await;
    session.until("the breach", |s| s.count(EntryKind::Breach, "checkout") == 1).await;
    let retrying = |s: &Session, name: &str| matches!(s.links[name].last(), Some(SourceState::Retrying { .. }));
    servers.stop("prometheus");
    session.until("prometheus is lost", |s| retrying(s, "prometheus")).await;
    servers.stop("alertmanager");
    session.until("alertmanager is lost", |s| retrying(s, "alertmanager")).await;
    let Some(SourceState::Retrying { why, .. }) = session.links["alertmanager"].last() else { panic!() };
    assert!(why.contains(&servers.alertmanager_port.to_string()) && why.to_lowercase().contains("refused"), "{why}");
    servers.run("alertmanager").await;
    servers.run("prometheus").await;
    session.until("both are back", |s| s.live("alertmanager") && s.live("prometheus")).await;
    session
        .until("the alert is known again", |s| {
            s.picture.alerts.rows().iter().any(|row| row.alert.name == "CheckoutErrors" && row.fires())
        })
        .await;
    let last = session.samples.last().unwrap().at;
    session
        .until("new values", |s| s.samples.last().is_some_and(|sample| sample.at > last && sample.value == Some(0.5)))
        .await;
    let mut times: Vec<_> = session.samples.iter().map(|sample| sample.at).collect();
    let all = times.len();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), all, "no moment is told twice");
    assert_eq!(session.count(EntryKind::Breach, "checkout"), 1);
    session.end().await;
}

mod real {
    mod debian {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs prometheus-debian: tests/run starts it"]
        async fn an_alert_fires_is_silenced_and_resolves_and_the_breach_recovers() {
            super::super::an_alert_fires_is_silenced_and_resolves_and_the_breach_recovers().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs prometheus-debian: tests/run starts it"]
        async fn servers_that_go_away_come_back_with_their_data_and_nothing_twice() {
            super::super::servers_that_go_away_come_back_with_their_data_and_nothing_twice().await;
        }
    }
}
