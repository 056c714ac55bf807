//! A drill's world behind proxies, one for each system.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use warroom::clock::{Clock, World};
use warroom::config::{
    AwsAccess, AwsCredentials, Catalogue, Environment, HttpAccess, KubeAccess, LogAccess, WritePolicy,
};
use warroom::drill::{Drill, Options, Scenario};

use crate::hurry::Hurry;
use crate::proxy::{Asked, Canned, Fault, Proxy, Rule};

/// All sources of the environment.
pub(crate) const SOURCES: [&str; 10] = [
    "alertmanager",
    "prometheus",
    "pods",
    "workloads",
    "nodes",
    "events",
    "usage",
    "pod-logs",
    "cloudwatch",
    "cloudwatch-logs",
];

/// The world, at the wall's pace, which is fast here.
pub(crate) struct Site {
    pub(crate) drill: Drill,
    pub(crate) clock: Clock,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) env: Environment,
    pub(crate) kubernetes: Proxy,
    alertmanager: Proxy,
    prometheus: Proxy,
    aws: Proxy,
    _hurry: Hurry,
    dir: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn open() -> Self {
        Self::open_at(Scenario::shipped("rate-limit-storm").unwrap().opens(1)).await
    }

    /// The same at another time of the story.
    pub(crate) async fn open_at(opens: World) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let scenario = Scenario::shipped("rate-limit-storm").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (clock, driver) = Clock::driven(opens);
        let hurry = Hurry::on();
        let options = Options { open_at: Some(opens), ..Options::new(1, dir.path().join("run")) };
        let drill = Drill::start(scenario.clone(), options, driver).await.unwrap();
        let at = &drill.endpoints;
        let kubernetes = Proxy::before(&at.kubernetes).await;
        let alertmanager = Proxy::before(&at.alertmanager).await;
        let prometheus = Proxy::before(&at.prometheus).await;
        let aws = Proxy::before(&at.cloudwatch).await;
        let kubeconfig = dir.path().join("kubeconfig");
        let text = std::fs::read_to_string(&at.kubeconfig).unwrap();
        assert!(text.contains(&at.kubernetes));
        std::fs::write(&kubeconfig, text.replace(&at.kubernetes, &kubernetes.url)).unwrap();
        let every = Duration::from_secs(15);
        let http = |name: &str, proxy: &Proxy| HttpAccess {
            name: name.into(),
            url: proxy.url.clone(),
            auth: None,
            ca_file: None,
            proxy: false,
            every,
        };
        let env = Environment {
            name: "prod".into(),
            production: false,
            color: None,
            write: WritePolicy::Ask,
            write_window: Duration::from_secs(600),
            drill: true,
            kubernetes: Some(KubeAccess {
                kubeconfig: Some(kubeconfig),
                context: None,
                namespaces: Vec::new(),
                usage_every: every,
            }),
            aws: Some(AwsAccess {
                credentials: AwsCredentials::Drill,
                region: Some(at.region.clone()),
                endpoints: ["cloudwatch", "cloudwatch_logs", "sts"].map(|name| (name.into(), aws.url.clone())).into(),
                alarm_prefixes: Vec::new(),
                alarms_every: every,
                logs: LogAccess {
                    live_tail: Default::default(),
                    groups: Vec::new(),
                    every: Duration::from_secs(5),
                    calls_per_second: 100.0,
                },
            }),
            alertmanager: vec![http("alertmanager", &alertmanager)],
            prometheus: vec![http("prometheus", &prometheus)],
        };
        let catalogue = Arc::new(Catalogue::new(scenario.services().to_vec()));
        Self { drill, clock, catalogue, env, kubernetes, alertmanager, prometheus, aws, _hurry: hurry, dir }
    }

    pub(crate) fn opens(&self) -> World {
        self.drill.opens
    }

    pub(crate) fn proxies(&self) -> [&Proxy; 4] {
        [&self.kubernetes, &self.alertmanager, &self.prometheus, &self.aws]
    }

    /// The proxy that a source's requests go through.
    pub(crate) fn proxy(&self, source: &str) -> &Proxy {
        match source {
            "alertmanager" => &self.alertmanager,
            "prometheus" => &self.prometheus,
            "cloudwatch" | "cloudwatch-logs" => &self.aws,
            _ => &self.kubernetes,
        }
    }

    /// `fault` for every request of `source`, from now on; what stands of it is cut.
    pub(crate) fn pull(&self, source: &'static str, fault: Fault) {
        let proxy = self.proxy(source);
        proxy.rule(Rule::new("pulled", fault).on(move |asked| is_of(asked, source)));
        proxy.cut(|asked| is_of(asked, source));
    }

    /// Somebody else changes an object of the cluster, not through the proxy.
    pub(crate) async fn patch(&self, path: &str, patch: Value) {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let request = client.patch(format!("{}{path}", self.drill.endpoints.kubernetes)).bearer_auth("drill");
        let request = request.header("content-type", "application/merge-patch+json").body(patch.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// An object of the cluster, not through the proxy.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let request = client.get(format!("{}{path}", self.drill.endpoints.kubernetes)).bearer_auth("drill");
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
    }

    /// The same, signed in to the cluster by a credential plugin: its token is `first`.
    pub(crate) async fn with_plugin() -> Self {
        let site = Self::open().await;
        let token = site.dir.path().join("token");
        let kubeconfig = site.dir.path().join("kubeconfig");
        let text = std::fs::read_to_string(&kubeconfig).unwrap();
        let plugin = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, command: cat, args: ['{}'], interactiveMode: Never}}",
            token.display()
        );
        assert!(text.contains("token: drill"));
        std::fs::write(&kubeconfig, text.replace("token: drill", &plugin)).unwrap();
        site.sign_in("first");
        site
    }

    /// From now on the plugin gives this token.
    pub(crate) fn sign_in(&self, token: &str) {
        let credential = json!({"kind": "ExecCredential", "status": {"token": token}});
        std::fs::write(self.dir.path().join("token"), credential.to_string()).unwrap();
    }

    /// The cluster knows this token alone, and the world behind it its own.
    pub(crate) fn only_token(&self, token: &'static str) {
        let body = json!({"kind": "Status", "code": 401, "message": "Unauthorized: the token has expired"});
        let canned = Canned::new(401, "application/json", body.to_string());
        let other = move |asked: &Asked| asked.header("authorization") != format!("Bearer {token}");
        self.kubernetes.rule(Rule::new("another token", Fault::Answer(canned)).on(other));
    }

    /// Every request goes through again.
    pub(crate) fn give_back(&self) {
        self.proxies().into_iter().for_each(Proxy::lift);
    }

    /// How often a source has asked.
    pub(crate) fn asked(&self, source: &str) -> usize {
        self.proxy(source).count(|asked| is_of(asked, source))
    }
}

/// Whether a source asks so.
pub(crate) fn is_of(asked: &Asked, source: &str) -> bool {
    let path = asked.path();
    let kind = path.rsplit('/').next().unwrap_or_default();
    match source {
        "pods" => path.starts_with("/api/v1/") && kind == "pods",
        "workloads" => path.starts_with("/apis/apps/") || path.starts_with("/apis/autoscaling/"),
        "nodes" => path == "/api/v1/nodes",
        "events" => path.starts_with("/api/v1/") && kind == "events",
        "usage" => path.starts_with("/apis/metrics.k8s.io/"),
        "pod-logs" => kind == "log" || path == "/version",
        "cloudwatch" => path.contains("GraniteServiceVersion20100801"),
        "cloudwatch-logs" => asked.header("x-amz-target").starts_with("Logs_"),
        _ => true,
    }
}
