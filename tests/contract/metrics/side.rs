//! The sides of the contract: a shop whose checkout fails when a case says so, watched by a
//! Prometheus with one alert rule and by an Alertmanager.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use warroom::clock::Clock;
use warroom::config::Config;

use crate::kit::{configured, said};
use crate::port::Port;
use crate::stage::{Door, Stage};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Prometheus,
    Alertmanager,
}

pub(super) trait Side {
    /// The time it lives in.
    fn clock(&self) -> Clock;
    /// Where a server answers; it stays the same when that is restarted.
    fn url(&self, server: Server) -> String;
    /// What gives the checkout's error ratio.
    fn ratio(&self) -> &'static str;
    /// The ratio while all is well, and while it is not. The rule `CheckoutErrors` (severity
    /// `critical`, service `checkout`) lies between.
    fn values(&self) -> (f64, f64);
    /// How often sources read: Alertmanager, Prometheus.
    fn every(&self) -> (&'static str, &'static str);
    /// From here on the checkout fails, or does not.
    async fn fail(&mut self, bad: bool);
    async fn stop(&mut self, server: Server);
    async fn start(&mut self, server: Server);

    /// An environment that reads both, with the service `checkout` and `extra` below it.
    fn config(&self, extra: &str) -> Config {
        let (alertmanager, prometheus) = (self.url(Server::Alertmanager), self.url(Server::Prometheus));
        let (alerts_every, every) = self.every();
        let ratio = self.ratio();
        configured(&format!(
            "[environments.real]\nproduction = false\n\
             [[environments.real.alertmanager]]\nurl = \"{alertmanager}\"\nevery = \"{alerts_every}\"\n\
             [[environments.real.prometheus]]\nurl = \"{prometheus}\"\nevery = \"{every}\"\n\
             [services.checkout]\nalarms = [\"Checkout*\"]\n\
             [[services.checkout.signals]]\nname = \"errors\"\nquery = '{ratio}'\nunit = \"ratio\"\nabove = 0.1\n\
             hold = \"15s\"\nrecover = \"15s\"\n{extra}",
        ))
    }

    /// `GET`: the status, and the body as JSON.
    async fn get(&self, server: Server, path: &str, query: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}{path}", self.url(server));
        json(plain_client().get(url).query(query).send().await.unwrap()).await
    }
}

pub(super) async fn json(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(super) fn plain_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

const SCENARIO: &str = r#"
id = "contract"
title = "A shop"
summary = "Its checkout fails when it has no pods."
environment = "prod"
user = "ana"
account = "111122223333"
region = "eu-central-1"
epoch = "2026-11-21T02:30:00Z"
opens = "epoch + 10m"
ends = "epoch + 20m"

[[node]]
name = "a"
zone = "eu-1a"
cpu = "4"
memory = "15Gi"
pods = 58

[[workload]]
path = "shop/checkout"
replicas = 2
revisions = [{ image = "registry.example/checkout:1.0.0", before = "27h" }]
cpu = { request = "300m", limit = "1" }
memory = { request = "384Mi", limit = "768Mi", rest = "260Mi" }
starts_in = "10s"
serves = { rate = 20.0, cpu = "5ms", latency = "45ms", tail = "18ms" }

[[service]]
name = "checkout"
workloads = ["shop/checkout"]

[[alert]]
name = "CheckoutErrors"
expr = '1 - up{job="checkout"} > 0.5'
for = "15s"
labels = { severity = "critical", service = "checkout" }
annotations = { summary = "checkout fails" }
"#;

/// The drill's servers.
pub(super) struct Drilled {
    stage: Stage,
    prometheus: Door,
    alertmanager: Door,
}

impl Drilled {
    pub(super) async fn open() -> Self {
        let stage = Stage::open(SCENARIO, 100.0).await;
        let prometheus = Door::before(&stage.drill.endpoints.prometheus).await;
        let alertmanager = Door::before(&stage.drill.endpoints.alertmanager).await;
        Self { stage, prometheus, alertmanager }
    }

    fn door(&mut self, server: Server) -> &mut Door {
        if server == Server::Prometheus { &mut self.prometheus } else { &mut self.alertmanager }
    }
}

impl Side for Drilled {
    fn clock(&self) -> Clock {
        self.stage.clock.clone()
    }

    fn url(&self, server: Server) -> String {
        if server == Server::Prometheus { self.prometheus.url() } else { self.alertmanager.url() }
    }

    fn ratio(&self) -> &'static str {
        r#"sum(1 - up{job="checkout"})"#
    }

    fn values(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn every(&self) -> (&'static str, &'static str) {
        ("15s", "15s")
    }

    async fn fail(&mut self, bad: bool) {
        let path = "/apis/apps/v1/namespaces/shop/deployments/checkout/scale";
        let patch = serde_json::json!({"spec": {"replicas": if bad { 0 } else { 2 }}});
        let request = plain_client().patch(format!("{}{path}", self.stage.drill.endpoints.kubernetes));
        let request = request.header("content-type", "application/merge-patch+json").body(patch.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    async fn stop(&mut self, server: Server) {
        self.door(server).shut().await;
    }

    async fn start(&mut self, server: Server) {
        self.door(server).open().await;
    }
}

/// Real servers, started by the case in a folder of its own, because it stops and starts them.
pub(super) struct Real {
    /// Which release: what stands in the names of the variables that name the programs.
    release: &'static str,
    folder: tempfile::TempDir,
    prometheus: Port,
    alertmanager: Port,
    running: Vec<(Server, Child)>,
    bad: Arc<AtomicBool>,
}

impl Real {
    pub(super) async fn open(release: &'static str) -> Self {
        let bad = Arc::new(AtomicBool::new(false));
        let exporter = exporter(Arc::clone(&bad)).await;
        let folder = tempfile::tempdir().unwrap();
        let (prometheus, alertmanager) = (Port::new(), Port::new());
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "am.yml",
            "route: {receiver: none, group_wait: 0s}\nreceivers: [{name: none}]\n\
             inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], \
             equal: [service]}]\n",
        );
        write(
            "prometheus.yml",
            &format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
                 alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n\
                 scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{exporter}']}}]}}]\n",
                alertmanager.address()
            ),
        );
        write(
            "rules.yml",
            "groups: [{name: shop, rules: [\
             {alert: CheckoutErrors, expr: 'error_ratio > 0.1', for: 2s, \
             labels: {severity: critical, service: checkout}, annotations: {summary: 'checkout fails'}}, \
             {alert: CheckoutSlow, expr: 'error_ratio > 0.1', for: 2s, \
             labels: {severity: warning, service: checkout}}]}]\n",
        );
        let mut servers = Self { release, folder, prometheus, alertmanager, running: Vec::new(), bad };
        servers.start(Server::Alertmanager).await;
        servers.start(Server::Prometheus).await;
        servers
    }

    fn command(&self, server: Server) -> (String, Vec<String>) {
        let at = |file: &str| self.folder.path().join(file).display().to_string();
        match server {
            Server::Prometheus => (
                said(&format!("WARROOM_REAL_{}_PROMETHEUS", self.release)),
                vec![
                    format!("--config.file={}", at("prometheus.yml")),
                    format!("--storage.tsdb.path={}", at("tsdb")),
                    format!("--web.listen-address={}", self.prometheus.address()),
                    "--query.timeout=1s".to_owned(),
                    // An alert is told again this often: what is forgotten is soon learned again.
                    "--rules.alert.resend-delay=10s".to_owned(),
                ],
            ),
            Server::Alertmanager => (
                said(&format!("WARROOM_REAL_{}_ALERTMANAGER", self.release)),
                vec![
                    format!("--config.file={}", at("am.yml")),
                    format!("--storage.path={}", at("am")),
                    format!("--web.listen-address={}", self.alertmanager.address()),
                    "--cluster.listen-address=".to_owned(),
                ],
            ),
        }
    }
}

impl Side for Real {
    fn clock(&self) -> Clock {
        Clock::real()
    }

    fn url(&self, server: Server) -> String {
        if server == Server::Prometheus { self.prometheus.url() } else { self.alertmanager.url() }
    }

    fn ratio(&self) -> &'static str {
        "error_ratio"
    }

    fn values(&self) -> (f64, f64) {
        (0.01, 0.5)
    }

    fn every(&self) -> (&'static str, &'static str) {
        ("1s", "5s")
    }

    async fn fail(&mut self, bad: bool) {
        self.bad.store(bad, Ordering::SeqCst);
    }

    async fn stop(&mut self, server: Server) {
        let at = self.running.iter().position(|(one, _)| *one == server).unwrap();
        let (_, mut child) = self.running.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    async fn start(&mut self, server: Server) {
        let (program, arguments) = self.command(server);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{server:?}.log")))
            .unwrap();
        let child =
            std::process::Command::new(&program).args(&arguments).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.running.push((server, child.unwrap_or_else(|why| panic!("{program}: {why}"))));
        let ready = format!("{}/-/ready", self.url(server));
        let client = plain_client();
        let wait = async {
            while !client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), wait).await.is_err() {
            let log = std::fs::read_to_string(self.folder.path().join(format!("{server:?}.log"))).unwrap();
            panic!("{server:?} is not ready:\n{log}");
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
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
