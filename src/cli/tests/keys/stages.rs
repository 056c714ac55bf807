//! The worlds that the storm goes through: together every system that can be acted on, each by every
//! action that a drill's world knows. The one place: whoever adds a system or an action to a world
//! adds its lines here.

use crate::drill::{SHIPPED, Scenario};
use crate::model::plan::Tier;

/// A drill's world, what there is to be planned in it, and how many plans are applied.
pub(super) struct Stage {
    pub(super) scenario: &'static str,
    /// What is otherwise in it, text for text: what no scenario that is shipped has.
    with: &'static [(&'static str, &'static str)],
    pub(super) plans: usize,
    /// What a plan of a line changes, and the line, in which `#` stands for a small number.
    pub(super) wishes: &'static [(&'static str, &'static str)],
    /// The actions that have to be among what was applied.
    pub(super) actions: &'static [&'static str],
    /// What has to be written to, as `wire::place` calls it.
    pub(super) written: &'static [&'static str],
    /// And the tiers.
    pub(super) tiers: &'static [Tier],
}

impl Stage {
    pub(super) fn scenario(&self) -> Scenario {
        let shipped = SHIPPED.iter().find(|shipped| shipped.id == self.scenario).unwrap();
        let mut text = shipped.text.to_owned();
        for (from, to) in self.with {
            assert!(text.contains(from), "{from} is not in {}", self.scenario);
            text = text.replace(from, to);
        }
        Scenario::parse(self.scenario, &text).unwrap()
    }
}

/// All of them.
pub(super) static ALL: [&Stage; 4] = [&RATE_LIMIT_STORM, &BAD_DEPLOY, &ZONE_OUTAGE, &OTHER_ROUTES];

/// Scaling, rolling back, diverting by a mesh, silences.
pub(super) static RATE_LIMIT_STORM: Stage = Stage {
    scenario: "rate-limit-storm",
    with: &[],
    plans: 80,
    wishes: &[
        ("", "undo"),
        ("payments/payments", "scale payments/payments +#"),
        ("payments/payments", "scale payments/payments -#"),
        ("payments/payments", "rollback payments/payments"),
        ("payments/partner-gateway", "scale payments/partner-gateway 0"),
        ("payments/partner-gateway", "scale payments/partner-gateway +#"),
        ("payments/partner-gateway", "divert payments second-gateway=#0"),
        ("", "silence {alertname=\"PaymentsCPUHigh\"} 1#m noise"),
        ("shop/checkout", "scale shop/checkout +#"),
        ("shop/checkout", "scale shop/checkout -#"),
        ("shop/cart", "restart shop/cart"),
        ("shop/cart", "bound shop/cart #..9"),
        ("shop/cart", "bound shop/cart 3..1#"),
        ("shop/cart", "scale shop/cart +#"),
        ("shop/storefront", "scale shop/storefront +#"),
        ("shop/storefront", "scale shop/storefront -#"),
        ("shop/search", "rollback shop/search"),
        ("shop/search", "scale shop/search +#"),
        ("identity/login", "restart identity/login"),
        ("identity/login", "scale identity/login +#"),
        ("identity/login", "scale identity/login 0"),
        ("shop/mail", "scale shop/mail +#"),
        ("shop/mail", "scale shop/mail 0"),
        ("platform/reports", "scale platform/reports +#"),
        ("platform/reports", "scale platform/reports -#"),
        ("platform/notifier", "scale platform/notifier +#"),
        ("platform/notifier", "scale platform/notifier -#"),
    ],
    actions: &["Scale", "Bound", "RollBack", "Restart", "Divert", "Silence", "Undo"],
    written: &[
        "kubernetes deployments",
        "kubernetes deployments/scale",
        "kubernetes horizontalpodautoscalers",
        "kubernetes virtualservices",
        "alertmanager silences",
    ],
    tiers: &[Tier::Reversible, Tier::Lowers, Tier::Grave],
};

/// Under an HPA and Argo CD's self-heal.
pub(super) static BAD_DEPLOY: Stage = Stage {
    scenario: "bad-deploy",
    with: &[],
    plans: 40,
    wishes: &[
        ("", "undo"),
        ("argocd/checkout", "rollback Application checkout"),
        ("argocd/checkout", "rollback Application checkout current"),
        ("shop/checkout", "rollback shop/checkout"),
        ("shop/checkout", "scale shop/checkout +#"),
        ("shop/checkout", "bound shop/checkout 3..#0"),
        ("shop/storefront", "scale shop/storefront +#"),
        ("shop/cart", "restart shop/cart"),
        ("shop/cart", "scale shop/cart -#"),
        ("payments/payments", "scale payments/payments +#"),
        ("", "silence {alertname=\"CheckoutErrorRate\"} 1#m noise"),
        ("shop/cart-store", "restart shop/cart-store"),
        ("shop/cart-store", "rollback shop/cart-store"),
        ("shop/cart-store", "scale shop/cart-store +#"),
        ("platform/log-agent", "restart platform/log-agent"),
        ("platform/log-agent", "rollback platform/log-agent"),
        ("shop/recommendations", "abort shop/recommendations"),
        ("shop/recommendations", "abort shop/recommendations"),
        ("shop/recommendations", "rollback shop/recommendations"),
        ("shop/recommendations", "scale shop/recommendations +#"),
    ],
    actions: &["Scale", "RollBack", "Restart", "Abort", "Silence", "Undo"],
    written: &[
        "kubernetes applications",
        "kubernetes daemonsets",
        "kubernetes deployments",
        "kubernetes deployments/scale",
        "kubernetes rollouts",
        "kubernetes statefulsets",
        "alertmanager silences",
    ],
    tiers: &[Tier::Reversible, Tier::Lowers],
};

/// What AWS runs and divides.
pub(super) static ZONE_OUTAGE: Stage = Stage {
    scenario: "zone-outage",
    // A deployment takes its time: somebody is to abort it.
    with: &[("starts_in = \"25s\"", "starts_in = \"200s\"")],
    plans: 60,
    wishes: &[
        ("", "undo"),
        (BALANCER, "evacuate storefront eu-central-1b 2h"),
        (BALANCER, "evacuate storefront eu-central-1a 1h"),
        (
            BALANCER,
            "undo arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/shop/50dc6c495c0c9188",
        ),
        ("prod/invoices", "scale prod/invoices +#"),
        ("prod/invoices", "scale prod/invoices -#"),
        ("prod/invoices", "bound prod/invoices #..9"),
        ("prod/invoices", "bound prod/invoices 2..1#"),
        ("prod/invoices", "rollback prod/invoices"),
        // It has to meet one that is under way, while nothing else is done to the service.
        ("prod/invoices", "abort prod/invoices"),
        ("prod/invoices", "abort prod/invoices"),
        ("prod/invoices", "abort prod/invoices"),
        ("prod/invoices", "abort prod/invoices"),
        ("prod/invoices", "abort prod/invoices"),
        (
            LISTENER,
            "divert Listener arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2 storefront-next=#0",
        ),
        (
            RULE,
            "divert ListenerRule arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee storefront-next=#0",
        ),
        ("Z0123456789DRILLSHOP/shop.example.com/A", "divert Z0123456789DRILLSHOP/shop.example.com/A eu-west-1=#0"),
        ("shop/storefront", "scale shop/storefront +#"),
        ("shop/checkout", "scale shop/checkout -#"),
    ],
    actions: &["Scale", "Bound", "RollBack", "Abort", "Divert", "Evacuate", "Undo"],
    written: &[
        "aws UpdateService",
        "aws StopServiceDeployment",
        "aws RegisterScalableTarget",
        "aws ModifyListener",
        "aws ModifyRule",
        "aws ChangeResourceRecordSets",
        "aws StartZonalShift",
        "aws CancelZonalShift",
        "kubernetes deployments/scale",
    ],
    tiers: &[Tier::Reversible, Tier::Lowers, Tier::Grave],
};

/// What divides traffic in other ways.
pub(super) static OTHER_ROUTES: Stage = Stage {
    scenario: "rate-limit-storm",
    with: &[
        ("kind = \"VirtualService\"", "kind = \"HTTPRoute\""),
        ("routes = [\"VirtualService ", "routes = [\"HTTPRoute "),
        ("workloads = [\"shop/search\"]", "workloads = [\"shop/search\"]\nroutes = [\"Service shop/search\"]"),
    ],
    plans: 20,
    wishes: &[
        ("", "undo"),
        ("payments/partner-gateway", "divert payments second-gateway=#0"),
        ("payments/partner-gateway", "divert payments second-gateway=3#"),
        ("shop/search", "switch search app=cart"),
        ("shop/search", "switch search app=search"),
        ("shop/mail", "scale shop/mail +#"),
    ],
    actions: &["Divert", "Switch", "Undo"],
    written: &["kubernetes httproutes", "kubernetes services", "kubernetes deployments/scale"],
    tiers: &[Tier::Lowers],
};

const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/shop/50dc6c495c0c9188";
const LISTENER: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";
const RULE: &str = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
