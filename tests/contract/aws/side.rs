//! The sides of the contract: who makes alarms and lines, and knows which there are.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use warroom::clock::{Clock, World};
use warroom::config::{AwsCredentials, Config};

use crate::kit::{command, configured, said, unique};
use crate::stage::Stage;

/// The alarms of a side.
pub(super) struct Alarms {
    /// All of them.
    pub(super) count: usize,
    /// A metric and a composite one that fire when the side changes.
    pub(super) fire: Vec<String>,
    /// A metric and a composite one that fire at first and end when the side changes.
    pub(super) end: Vec<String>,
    /// One that never has data. The drill's alarms begin as OK.
    pub(super) silent: Option<String>,
}

pub(super) trait Side {
    fn clock(&self) -> Clock;
    fn account(&self) -> &str;
    /// Where CloudWatch Logs is.
    fn logs(&self) -> String;
    /// The log group that lines are written to.
    fn group(&self) -> String;
    /// An environment with logs at `logs`, if that is not empty, of which `live_tail` come so.
    fn config(&self, logs: &str, live_tail: &str) -> Config;
    async fn alarms(&mut self) -> Alarms;
    /// The alarms change their state.
    async fn change(&mut self);
    /// There are lines from before.
    async fn past_lines(&mut self);
    /// From now on lines are written to two streams for a while, some of them late.
    fn write_lines(&mut self);
    /// The lines since, as `(group stream, text)`. What is being written is written to its end.
    async fn written(&mut self, since: World) -> Vec<(String, String)>;
}

fn environment(region: &str, more: &str, logs: &str, live_tail: &str) -> String {
    format!(
        "[environments.real]\nproduction = false\n[environments.real.aws]\nregion = \"{region}\"\n{more}\n\
         [environments.real.aws.logs]\ncalls_per_second = 50.0\nlive_tail = {live_tail}\n{logs}\n"
    )
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
log_group = "/prod/checkout"
serves = { rate = 20.0, cpu = "5ms", latency = "45ms", tail = "18ms" }

[[log]]
workload = "shop/checkout"
when = "served"
share = 0.2
most = 8.0
level = "INFO"
text = "order {id} placed by user {user}"

[[log]]
workload = "shop/checkout"
when = "steady"
share = 1.0
most = 2.0
level = "DEBUG"
text = "still here"

[[service]]
name = "checkout"
workloads = ["shop/checkout"]
log_groups = ["/prod/checkout"]

[[metric]]
id = "down"
namespace = "Shop"
name = "Down"
query = 'sum(1 - up{job="checkout"})'

[[metric]]
id = "nothing"
namespace = "Shop"
name = "Nothing"
query = 'sum(up{job="nobody"})'

[[composite]]
name = "shop-impaired"
rule = 'ALARM("shop-down")'

[[composite]]
name = "shop-well"
rule = 'ALARM("shop-up")'
"#;

fn alarm(name: &str, metric: &str, comparison: &str) -> String {
    format!(
        "[[alarm]]\nname = \"{name}\"\nmetric = \"{metric}\"\nstatistic = \"Maximum\"\ncomparison = \"{comparison}\"\n\
         threshold = 0.5\nevaluate = 1\nbad = 1\n"
    )
}

/// The drill's account.
pub(super) struct Drilled {
    stage: Stage,
}

impl Drilled {
    pub(super) async fn open() -> Self {
        let mut text = SCENARIO.to_owned();
        for (name, metric, comparison) in [
            ("shop-down", "down", "GreaterThanThreshold"),
            ("shop-up", "down", "LessThanThreshold"),
            ("shop-silent", "nothing", "GreaterThanThreshold"),
        ] {
            text += &alarm(name, metric, comparison);
        }
        for n in 0..120 {
            text += &alarm(&format!("spare-{n:03}"), "down", "GreaterThanThreshold").replace("0.5", "500.0");
        }
        Self { stage: Stage::open(&text, 20.0).await }
    }

    /// A call of CloudWatch Logs, as any client makes it.
    async fn call(&self, operation: &str, input: Value) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(&self.stage.drill.endpoints.cloudwatch_logs)
            .header("x-amz-target", format!("Logs_20140328.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(input.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

impl Side for Drilled {
    fn clock(&self) -> Clock {
        self.stage.clock.clone()
    }

    fn account(&self) -> &str {
        "111122223333"
    }

    fn logs(&self) -> String {
        self.stage.drill.endpoints.cloudwatch_logs.clone()
    }

    fn group(&self) -> String {
        "/prod/checkout".into()
    }

    fn config(&self, logs: &str, live_tail: &str) -> Config {
        let at = &self.stage.drill.endpoints;
        let endpoints = format!(
            "alarms_every = \"15s\"\n[environments.real.aws.endpoints]\ncloudwatch = \"{}\"\nsts = \"{}\"\n\
             cloudwatch_logs = \"{}\"",
            at.cloudwatch,
            at.sts,
            if logs.is_empty() { &at.cloudwatch_logs } else { logs }
        );
        let groups = if logs.is_empty() { "" } else { "every = \"5s\"\ngroups = [\"/prod/checkout\"]" };
        let mut config = configured(&environment(&at.region, &endpoints, groups, live_tail));
        config.environments[0].drill = true;
        config.environments[0].aws.as_mut().unwrap().credentials = AwsCredentials::Drill;
        config
    }

    async fn alarms(&mut self) -> Alarms {
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        Alarms {
            count: 125,
            fire: names(["shop-down", "shop-impaired"]),
            end: names(["shop-up", "shop-well"]),
            silent: None,
        }
    }

    async fn change(&mut self) {
        let path = "/apis/apps/v1/namespaces/shop/deployments/checkout/scale";
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.patch(format!("{}{path}", self.stage.drill.endpoints.kubernetes));
        let request = request.header("content-type", "application/merge-patch+json");
        let answer = request.body(json!({"spec": {"replicas": 0}}).to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    async fn past_lines(&mut self) {}

    fn write_lines(&mut self) {}

    async fn written(&mut self, since: World) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let streams = self.call("DescribeLogStreams", json!({"logGroupName": "/prod/checkout"})).await;
        // Its first seconds may lie before what a back-fill reads.
        let from = (since + TimeDelta::seconds(30)).timestamp_millis();
        for stream in streams["logStreams"].as_array().unwrap() {
            let stream = stream["logStreamName"].as_str().unwrap();
            let mut token = Value::Null;
            loop {
                let input = json!({"logGroupName": "/prod/checkout", "logStreamName": stream, "startFromHead": true,
                                   "startTime": from, "nextToken": token});
                let page = self.call("GetLogEvents", input).await;
                let events = page["events"].as_array().unwrap();
                let text = |event: &Value| event["message"].as_str().unwrap().to_owned();
                lines.extend(events.iter().map(|event| (format!("/prod/checkout {stream}"), text(event))));
                if events.is_empty() {
                    break;
                }
                token = page["nextForwardToken"].clone();
            }
        }
        lines
    }
}

/// ministack for CloudWatch and STS; it or moto for CloudWatch Logs.
pub(super) struct Real {
    /// The variable that names the server of the logs.
    logs: &'static str,
    name: String,
    writer: Option<JoinHandle<String>>,
    written: Vec<(String, String)>,
}

const PAST: usize = 12_000;
const LIVE: usize = 500;

impl Real {
    pub(super) fn ministack() -> Self {
        Self { logs: "WARROOM_REAL_MINISTACK", name: unique("shop"), writer: None, written: Vec::new() }
    }

    pub(super) fn moto() -> Self {
        Self { logs: "WARROOM_REAL_MOTO", ..Self::ministack() }
    }

    /// What things of this side are called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The variable that names the server of the logs, and of all that is acted on.
    pub(super) fn url(&self) -> &'static str {
        self.logs
    }

    /// boto3, in the same environment as the servers.
    pub(super) fn boto(&self, script: &str, arguments: &[&str]) -> String {
        run(self.logs, script, arguments)
    }

    /// An environment at `url` with the credentials that `printed` holds.
    pub(super) fn config_as(&self, printed: &std::path::Path, url: &str) -> Config {
        let endpoints = format!(
            "profile = \"printed\"\n[environments.real.aws.endpoints]\ncloudwatch = \"{url}\"\nsts = \"{url}\"\n\
             cloudwatch_logs = \"{url}\""
        );
        // `tests/servers/aws/run` names the file; every test that writes it writes the same path.
        let file = said("AWS_CONFIG_FILE");
        std::fs::write(&file, format!("[profile printed]\ncredential_process = cat {}\n", printed.display())).unwrap();
        configured(&environment("eu-west-1", &endpoints, "groups = [\"/any\"]", "[]"))
    }
}

fn run(logs: &str, script: &str, arguments: &[&str]) -> String {
    let prelude = format!(
        "import boto3, os, sys, time\n\
         def client(name, url): return boto3.client(name, endpoint_url=os.environ[url], region_name='eu-west-1')\n\
         URL = '{logs}'\ncw = client('cloudwatch', 'WARROOM_REAL_MINISTACK')\nlogs = client('logs', URL)\n\
         def put(stream, events): logs.put_log_events(logGroupName=sys.argv[1], logStreamName=stream, logEvents=events)\n"
    );
    let python = said("WARROOM_REAL_PYTHON");
    command(&python, &[&["-c", &format!("{prelude}{script}")], arguments].concat())
}

impl Side for Real {
    fn clock(&self) -> Clock {
        Clock::real()
    }

    fn account(&self) -> &str {
        // The access key of `tests/servers/aws/run`: ministack takes twelve digits for an account.
        "111122223333"
    }

    fn logs(&self) -> String {
        said(self.logs)
    }

    fn group(&self) -> String {
        format!("/{}", self.name)
    }

    fn config(&self, logs: &str, live_tail: &str) -> Config {
        let ministack = said("WARROOM_REAL_MINISTACK");
        let endpoints = format!(
            "alarm_prefixes = [\"{}\"]\nalarms_every = \"1s\"\n[environments.real.aws.endpoints]\n\
             cloudwatch = \"{ministack}\"\nsts = \"{ministack}\"\ncloudwatch_logs = \"{}\"",
            self.name,
            if logs.is_empty() { &ministack } else { logs }
        );
        let groups = format!("every = \"1s\"\ngroups = [\"{}\"]", self.group());
        configured(&environment("eu-west-1", &endpoints, if logs.is_empty() { "" } else { &groups }, live_tail))
    }

    async fn alarms(&mut self) -> Alarms {
        let make = "p = sys.argv[1]\n\
            names = ['down', 'up', 'silent'] + [f'spare-{n:03}' for n in range(120)]\n\
            for name in names:\n\
            \x20   cw.put_metric_alarm(AlarmName=f'{p}-{name}', MetricName='m', Namespace='n', Statistic='Sum', Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator='GreaterThanThreshold', AlarmDescription='too many')\n\
            \x20   if name != 'silent': cw.set_alarm_state(AlarmName=f'{p}-{name}', StateValue='ALARM' if name == 'up' else 'OK', StateReason='at first')\n\
            for name, of in [('impaired', 'down'), ('well', 'up')]:\n\
            \x20   cw.put_composite_alarm(AlarmName=f'{p}-{name}', AlarmRule=f'ALARM(\"{p}-{of}\")')\n\
            \x20   cw.set_alarm_state(AlarmName=f'{p}-{name}', StateValue='ALARM' if name == 'well' else 'OK', StateReason='at first')\n\
            # Writes that are taken and not stored are found out here.\n\
            pages = cw.get_paginator('describe_alarms').paginate(AlarmNamePrefix=p, AlarmTypes=['MetricAlarm', 'CompositeAlarm'])\n\
            assert sum(len(page['MetricAlarms']) + len(page['CompositeAlarms']) for page in pages) == 125\n";
        self.boto(make, &[&self.name]);
        let name = |name: &str| format!("{}-{name}", self.name);
        Alarms {
            count: 125,
            fire: vec![name("down"), name("impaired")],
            end: vec![name("up"), name("well")],
            silent: Some(name("silent")),
        }
    }

    async fn change(&mut self) {
        let change = "for name, state in [('down', 'ALARM'), ('impaired', 'ALARM'), ('up', 'OK'), ('well', 'OK')]:\n\
            \x20   cw.set_alarm_state(AlarmName=f'{sys.argv[1]}-{name}', StateValue=state, StateReason='changed')\n";
        self.boto(change, &[&self.name]);
    }

    async fn past_lines(&mut self) {
        let group = self.group();
        // ministack gives the oldest 10,000 events of a search and no token for the rest: so there are
        // fewer in any stretch that is read at once.
        let put = "logs.create_log_group(logGroupName=sys.argv[1])\n\
            for stream in 'ab': logs.create_log_stream(logGroupName=sys.argv[1], logStreamName=stream)\n\
            now = int(time.time() * 1000)\n\
            for part in range(12):\n\
            \x20   put('ab'[part % 2], [{'timestamp': now - 60000 + (part * 1000 + n) * 4, 'message': f'past {part * 1000 + n}'} for n in range(1000)])\n";
        self.boto(put, &[&group]);
        let stream = |n: usize| if (n / 1000).is_multiple_of(2) { "a" } else { "b" };
        self.written.extend((0..PAST).map(|n| (format!("{group} {}", stream(n)), format!("past {n}"))));
    }

    fn write_lines(&mut self) {
        // Every fiftieth comes three seconds late; every tenth is a line that was written before.
        let put = "for n in range(int(sys.argv[2])):\n\
            \x20   late = 3000 if n % 50 == 49 else 0\n\
            \x20   at = int(time.time() * 1000) - late\n\
            \x20   put('ab'[n % 2], [{'timestamp': at, 'message': f'live {n}'}] + [{'timestamp': at, 'message': f'live {n}'}] * (n % 10 == 0))\n\
            \x20   time.sleep(0.03)\n";
        let (group, logs) = (self.group(), self.logs);
        for n in 0..LIVE {
            let line = (format!("{group} {}", if n.is_multiple_of(2) { "a" } else { "b" }), format!("live {n}"));
            self.written.push(line.clone());
            if n.is_multiple_of(10) {
                self.written.push(line);
            }
        }
        self.writer = Some(tokio::task::spawn_blocking(move || run(logs, put, &[&group, &LIVE.to_string()])));
    }

    async fn written(&mut self, _: World) -> Vec<(String, String)> {
        self.writer.take().unwrap().await.unwrap();
        std::mem::take(&mut self.written)
    }
}
