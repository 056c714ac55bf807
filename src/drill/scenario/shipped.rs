//! The scenarios that come with the program.

/// A scenario file that is embedded in the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its id, as on the command line.
    pub id: &'static str,
    /// The file.
    pub text: &'static str,
}

/// All shipped scenarios.
pub static SHIPPED: &[Shipped] = &[
    Shipped { id: "rate-limit-storm", text: include_str!("../../../assets/scenarios/rate-limit-storm.toml") },
    Shipped { id: "zone-outage", text: include_str!("../../../assets/scenarios/zone-outage.toml") },
    Shipped { id: "bad-deploy", text: include_str!("../../../assets/scenarios/bad-deploy.toml") },
];
