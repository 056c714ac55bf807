//! The story that the shipped scenario tells, on a toy cluster.

use super::toy::Toy;
use super::*;
use crate::drill::promql::{Value, instant, parse};

pub(super) struct Told {
    pub(super) world: World,
    pub(super) toy: Toy,
}

fn start(seed: u64) -> Told {
    let scenario = Arc::new(Scenario::shipped("rate-limit-storm").unwrap());
    let toy = Toy::new(&scenario);
    Told { world: World::with_fleet(&scenario, seed, Box::new(toy.clone())), toy }
}

impl Told {
    fn signal(&self, service: &str, name: &str) -> f64 {
        let service = self.world.scenario().services().iter().find(|s| s.name.as_str() == service).unwrap();
        let query = &service.signals.iter().find(|s| s.name == name).unwrap().query;
        match instant(self.world.store(), &parse(query).unwrap(), self.world.now().timestamp_millis()).unwrap() {
            Value::Vector(samples) => samples[0].value,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
#[ignore = "prints the story's numbers, for tuning"]
fn print_the_story() {
    let seed = 1;
    let mut told = start(seed);
    let scenario = Arc::new(Scenario::shipped("rate-limit-storm").unwrap());
    let times = crate::drill::scenario::Times::new(&scenario, seed);
    let confirm = times.named("confirm").unwrap();
    let asked = times.named("asked").unwrap();
    println!(
        "release {} confirm {} asked {} opens {}",
        times.named("release").unwrap(),
        confirm,
        asked,
        scenario.opens(seed)
    );
    for step in &times.responder {
        println!("{} {}", step.at, step.line);
    }
    while told.world.now() < scenario.ends(seed) {
        told.world.tick();
        if told.world.now() == confirm {
            told.toy.scale("payments/payments", 12);
        }
        if told.world.now() == asked {
            println!("{:?}", told.world.ask("developers"));
        }
        if told.world.now().timestamp() % 30 == 0 && told.world.now() > scenario.epoch() + TimeDelta::minutes(20) {
            let at = scenario.workload_at("payments/payments").unwrap();
            let b = &told.world.physics.bodies[at];
            let mem = b.pods.usage().map(|(_, _, m, _)| m).max().unwrap() >> 20;
            println!(
                "{} cerr {:.3}% cp99 {:.2} perr {:.1}% pp99 {:.2} 429 {:.0} rho {:.2} ready {} mem {} nodes {:?} alerts {:?} alarms {:?}",
                told.world.now().format("%H:%M:%S"),
                100.0 * told.signal("checkout", "errors"),
                told.signal("checkout", "p99"),
                100.0 * told.signal("payments", "errors"),
                told.signal("payments", "p99"),
                told.signal("payments", "refusals"),
                b.now.utilisation,
                b.now.ready,
                mem,
                told.world.physics.nodes.iter().map(|n| (n * 100.0) as u32).collect::<Vec<_>>(),
                told.world.alerts().firing().map(|(a, _)| a.labels["alertname"].clone()).collect::<Vec<_>>(),
                told.world
                    .alarms()
                    .alarms
                    .iter()
                    .filter(|a| a.state == AlarmState::Alarm)
                    .map(|a| a.name.clone())
                    .collect::<Vec<_>>(),
            );
        }
    }
    println!(
        "killed {:?} lines {} groups {:?}",
        told.toy.seen().killed,
        told.toy.seen().lines,
        told.world.logs().groups.iter().map(|(g, e)| (g, e.len())).collect::<Vec<_>>()
    );
}
