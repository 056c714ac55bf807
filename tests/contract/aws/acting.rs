//! The program's writes against servers of others: what boto3 reads afterwards is what the plan
//! said, and the undo is the inverse.

use warroom::clock::Clock;
use warroom::config::AwsCredentials;
use warroom::drill::{Drill, Options, Pace, Scenario};
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Plan, Progress, Replicas, Request, Revision, Share};
use warroom::respond::Cluster;

use super::side::Real;
use crate::desk::Desk;
use crate::kit::{configured, said};

/// A gateway to one server, and its record.
struct Site(Desk);

impl Site {
    fn open(variable: &str) -> Self {
        Self::at(&said(variable), AwsCredentials::Ambient { profile: None }, Clock::real())
    }

    fn at(url: &str, credentials: AwsCredentials, clock: Clock) -> Self {
        let services =
            ["ecs", "application_auto_scaling", "elastic_load_balancing_v2", "route_53", "arc_zonal_shift", "ec2"];
        let endpoints: String = services.iter().map(|service| format!("{service} = \"{url}\"\n")).collect();
        let mut config = configured(&format!(
            "[environments.real]\nproduction = false\nwrite = \"ask\"\n[environments.real.aws]\nregion = \"eu-west-1\"\n\
             [environments.real.aws.endpoints]\n{endpoints}"
        ));
        config.environments[0].aws.as_mut().unwrap().credentials = credentials;
        Self(Desk::at(&config.environments[0], clock))
    }

    async fn plan(&self, want: &Request) -> Plan {
        self.0.plan(want).await
    }

    /// Does it; then says what was done.
    async fn act(&self, want: &Request) -> Plan {
        self.0.done(self.plan(want).await).await.plan
    }

    async fn undo(&self, plan: Plan) {
        self.act(&Request::Undo { plan: Box::new(plan) }).await;
    }
}

fn target(kind: Kind, namespace: &str, name: &str) -> Target {
    let origin = Origin { env: "real".into(), source: "aws".into() };
    Target { origin, kind, path: ObjectPath::new(namespace, name), uid: None }
}

fn divert(target: Target, destination: &str, weight: u32) -> Request {
    Request::Divert { target, shares: vec![Share { destination: destination.into(), weight }] }
}

/// The last line that a script prints, in words.
fn words(printed: &str) -> Vec<String> {
    printed.lines().last().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

pub(super) async fn a_service_of_ecs_is_scaled_and_rolled_back(real: Real) {
    let name = real.name().to_owned();
    real.boto(
        "e = client('ecs', URL); n = sys.argv[1]\n\
         e.create_cluster(clusterName='contract')\n\
         for image in ('1', '2'): e.register_task_definition(family=n, containerDefinitions=[{'name': 'web', 'image': f'shop:{image}', 'memory': 64}])\n\
         e.create_service(cluster='contract', serviceName=n, taskDefinition=f'{n}:2', desiredCount=2)\n",
        &[&name],
    );
    let read = || {
        words(&real.boto(
            "s = client('ecs', URL).describe_services(cluster='contract', services=[sys.argv[1]])['services'][0]\n\
             print(s['desiredCount'], s['runningCount'], s['taskDefinition'].split('/')[-1])\n",
            &[&name],
        ))
    };
    let site = Site::open(real.url());
    let service = target(Kind::EcsService, "contract", &name);
    let up = site.act(&Request::Scale { target: service.clone(), to: Replicas::Exactly(3) }).await;
    assert_eq!(read(), ["3", "3", &format!("{name}:2")]);
    site.undo(up).await;
    assert_eq!(read()[0], "2");
    // By its number: this server keeps no history of deployments.
    let back = site.act(&Request::RollBack { target: service, to: Revision::Named("1".into()) }).await;
    assert_eq!(back.facts[0].words.as_str(), "web: shop:2 → shop:1");
    assert_eq!(read()[2], format!("{name}:1"));
    site.undo(back).await;
    assert_eq!(read(), ["2", "2", &format!("{name}:2")]);
}

pub(super) async fn weighted_records_are_diverted(real: Real) {
    let zone = words(&real.boto(
        "r = client('route53', URL)\n\
         z = r.create_hosted_zone(Name='example.com', CallerReference=sys.argv[1])['HostedZone']['Id'].split('/')[-1]\n\
         sets = [{'Name': 'api.example.com', 'Type': 'A', 'SetIdentifier': i, 'Weight': w, 'TTL': 1, 'ResourceRecords': [{'Value': v}]} for i, w, v in (('a', 10, '192.0.2.1'), ('b', 0, '192.0.2.2'))]\n\
         r.change_resource_record_sets(HostedZoneId=z, ChangeBatch={'Changes': [{'Action': 'CREATE', 'ResourceRecordSet': s} for s in sets]})\n\
         print(z)\n",
        &[real.name()],
    ))
    .remove(0);
    let read = || {
        words(&real.boto(
            "sets = client('route53', URL).list_resource_record_sets(HostedZoneId=sys.argv[1])['ResourceRecordSets']\n\
             print(*(f\"{s['SetIdentifier']}={s['Weight']}:{s['ResourceRecords'][0]['Value']}\" for s in sets if 'Weight' in s))\n",
            &[&zone],
        ))
    };
    let site = Site::open(real.url());
    let records = target(Kind::RecordSet, &zone, "api.example.com/A");
    // Two were planned at one moment: the second finds the first one's values.
    let (done, stale) = (divert(records.clone(), "b", 25), site.plan(&divert(records.clone(), "b", 50)).await);
    let done = site.act(&done).await;
    assert_eq!(read(), ["a=75:192.0.2.1", "b=25:192.0.2.2"]);
    let ended = site.0.apply(stale).await;
    assert!(ended.outcome.words().contains("since the plan was made"), "{:?}", ended.outcome);
    site.undo(done).await;
    assert_eq!(read(), ["a=10:192.0.2.1", "b=0:192.0.2.2"]);
}

pub(super) async fn weighted_target_groups_are_diverted(real: Real) {
    let made = words(&real.boto(
        "n = sys.argv[1]; ec2 = client('ec2', URL); elb = client('elbv2', URL)\n\
         vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']\n\
         subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f'10.0.{i}.0/24', AvailabilityZone=f'eu-west-1{z}')['Subnet']['SubnetId'] for i, z in enumerate('ab')]\n\
         lb = elb.create_load_balancer(Name=n, Subnets=subnets)['LoadBalancers'][0]['LoadBalancerArn']\n\
         groups = [elb.create_target_group(Name=g + n[-8:], Protocol='HTTP', Port=80, VpcId=vpc, TargetType='ip')['TargetGroups'][0]['TargetGroupArn'] for g in ('blue-', 'green-')]\n\
         for g in groups: elb.register_targets(TargetGroupArn=g, Targets=[{'Id': '10.0.0.5'}])\n\
         actions = [{'Type': 'forward', 'ForwardConfig': {'TargetGroups': [{'TargetGroupArn': g, 'Weight': w} for g, w in zip(groups, (1, 0))], 'TargetGroupStickinessConfig': {'Enabled': True, 'DurationSeconds': 600}}}]\n\
         listener = elb.create_listener(LoadBalancerArn=lb, Protocol='HTTP', Port=80, DefaultActions=actions)['Listeners'][0]['ListenerArn']\n\
         rule = elb.create_rule(ListenerArn=listener, Priority=10, Conditions=[{'Field': 'path-pattern', 'Values': ['/x']}], Actions=actions)['Rules'][0]['RuleArn']\n\
         dns = elb.describe_load_balancers(LoadBalancerArns=[lb])['LoadBalancers'][0]['DNSName']\n\
         r = client('route53', URL); zone = r.create_hosted_zone(Name='example.com', CallerReference=n)['HostedZone']['Id'].split('/')[-1]\n\
         alias = {'HostedZoneId': 'Z32O12XQLNTSW2', 'DNSName': 'dualstack.' + dns, 'EvaluateTargetHealth': False}\n\
         sets = [{'Name': 'api.example.com', 'Type': 'A', 'SetIdentifier': i, 'Weight': w, 'AliasTarget': alias} for i, w in (('a', 10), ('b', 0))]\n\
         r.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={'Changes': [{'Action': 'CREATE', 'ResourceRecordSet': s} for s in sets]})\n\
         print(rule, listener, 'green-' + n[-8:], zone)\n",
        // The name of a load balancer has at most 32 characters.
        &[&real.name()[real.name().len() - 20..]],
    ));
    let [rule, listener, green, zone] = made.as_slice() else { panic!("{made:?}") };
    let read = || {
        words(&real.boto(
            "elb = client('elbv2', URL)\n\
             lists = [elb.describe_rules(RuleArns=[sys.argv[1]])['Rules'][0]['Actions'], elb.describe_listeners(ListenerArns=[sys.argv[2]])['Listeners'][0]['DefaultActions']]\n\
             for a in lists: assert a[0]['ForwardConfig']['TargetGroupStickinessConfig'] == {'Enabled': True, 'DurationSeconds': 600}, a\n\
             print(*('/'.join(str(g['Weight']) for g in a[0]['ForwardConfig']['TargetGroups']) for a in lists))\n",
            &[rule, listener],
        ))
    };
    let site = Site::open(real.url());
    // Records that are aliases of it have its target for room: found by its name, listeners and rules.
    let records = site.plan(&divert(target(Kind::RecordSet, zone, "api.example.com/A"), "b", 25)).await;
    let capacity = records.facts.iter().find(|fact| fact.label == "capacity").unwrap();
    assert!(capacity.words.contains("1 healthy target for 25 %"), "{:?}", records.facts);
    let of_rule = site.act(&divert(target(Kind::ListenerRule, "", rule), green, 10)).await;
    let capacity = of_rule.facts.iter().find(|fact| fact.label == "capacity").unwrap();
    assert!(capacity.words.contains("1 healthy target for 10 %"), "{:?}", of_rule.facts);
    assert_eq!(read(), ["90/10", "1/0"]);
    let of_listener = site.act(&divert(target(Kind::Listener, "", listener), green, 100)).await;
    assert_eq!(read(), ["90/10", "0/100"]);
    site.undo(of_rule).await;
    site.undo(of_listener).await;
    assert_eq!(read(), ["1/0", "1/0"]);
}

/// The drill's account has all of it, deployments in flight and limits included.
pub(super) async fn all_of_it_is_acted_on(drill: Drilled) {
    let site = Site::at(&drill.drill.endpoints.aws, AwsCredentials::Drill, drill.clock.clone());
    let service = target(Kind::EcsService, "prod", "invoices");
    let scale = |to| Request::Scale { target: service.clone(), to: Replicas::Exactly(to) };
    let refused = async |want: Request| site.0.try_plan(&want).await.unwrap_err().why.to_string();

    let up = site.act(&scale(5)).await;
    assert_eq!(up.owners[0].name.as_str(), "scalable target 2–8");
    assert!(refused(scale(5)).await.contains("wants 5 tasks already"));
    site.undo(up).await;
    let limits = site.act(&Request::Bound { target: service.clone(), floor: Some(4), cap: None }).await;
    assert!(refused(scale(4)).await.contains("wants 4 tasks already"), "the floor clamps at once");
    site.undo(limits).await;

    let back = || Request::RollBack { target: service.clone(), to: Revision::Previous };
    let finished = site.act(&back()).await;
    assert_eq!(finished.changed(), "task definition invoices:2 → invoices:1");
    site.undo(finished).await;
    // One that is under way is stopped.
    let forth = Request::RollBack { target: service.clone(), to: Revision::Named("1".into()) };
    let (plan, started) = (site.plan(&forth).await, tokio::sync::Notify::new());
    let told = |progress: Progress| {
        if matches!(&progress, Progress::Under { words } if words.contains("running invoices:1")) {
            started.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = started.notified() => {}
        ended = site.0.engine.apply(plan, &site.0.actor, &site.0.journal, &told) => panic!("{ended:?}"),
    }
    let stopped = site.act(&back()).await;
    assert_eq!(stopped.changed(), "deployment of invoices:1 under way → rolled back to invoices:2");

    let shop = drill.drill.services.iter().find(|service| service.name.as_str() == "storefront").unwrap();
    let rule = shop.routes.iter().find(|route| route.kind == Kind::ListenerRule).unwrap();
    let rule = || target(Kind::ListenerRule, "", &rule.path.name);
    let diverted = site.act(&divert(rule(), "storefront-next", 10)).await;
    let room = diverted.facts.iter().find(|fact| fact.label == "capacity").unwrap();
    let next = "storefront-next: 3 healthy targets for 10 %, 3.3 % each; a target carries 16.7 % of it now";
    assert_eq!(room.words.as_str(), next, "it has pods of its own");
    assert!(refused(divert(rule(), "storefront-next", 10)).await.contains("already: there is nothing to change"));
    site.undo(diverted).await;
    let ecs = Cluster { ecs: vec![ObjectPath::new("pro*", "*")], ..Cluster::default() };
    let looked = site.0.engine.plan(&divert(rule(), "storefront-next", 10), &ecs).await.unwrap();
    let deploys = looked.facts.iter().find(|fact| fact.label == "deploys").unwrap();
    assert_eq!(deploys.words.as_str(), "none of EcsService prod/invoices (ECS) divides it");

    let balancer = shop.routes.iter().find(|route| route.kind == Kind::LoadBalancer).unwrap();
    let balancer = target(Kind::LoadBalancer, "", &balancer.path.name);
    let left = Request::Evacuate { target: balancer, zone: "eu-central-1b".into(), minutes: 60 };
    let left = site.act(&left).await;
    assert_eq!(left.blast.words.as_str(), "2 of 6 healthy targets get no new connections", "the next ones get none");
    let beside = site.plan(&divert(rule(), "storefront-next", 10)).await;
    let fact = |label: &str| beside.facts.iter().find(|fact| fact.label.as_str() == label).unwrap().words.as_str();
    assert!(fact("zones").starts_with("traffic is shifted away from eu-central-1b, until "), "{}", fact("zones"));
    assert!(fact("capacity").starts_with("storefront-next: 2 healthy targets for 10 %, "), "{}", fact("capacity"));
    site.undo(left).await;

    let records = || target(Kind::RecordSet, "Z0123456789DRILLSHOP", "shop.example.com/A");
    let moved = site.act(&divert(records(), "eu-west-1", 50)).await;
    assert!(refused(divert(records(), "eu-west-1", 50)).await.contains("already: there is nothing to change"));
    site.undo(moved).await;
    drill.drill.shutdown().await;
}

/// The account of `zone-outage`, in a world that runs as fast as it can.
pub(super) struct Drilled {
    drill: Drill,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Drilled {
    pub(super) async fn open() -> Self {
        let scenario = Scenario::shipped("zone-outage").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(1, folder.path().join("run"));
        options.pace = Pace::Speed(Pace::MOST);
        let (clock, driver) = Clock::driven(scenario.epoch());
        let drill = Drill::start(scenario, options, driver).await.unwrap();
        Self { drill, clock, _folder: folder }
    }
}
