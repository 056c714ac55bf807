//! Prometheus and Alertmanager: the drill's, Debian's old releases, and new ones.
//!
//! A case is written once, in `metrics/`, over a [`side::Side`].

mod alertmanager_api;
mod alerts;
mod prometheus_api;
mod queries;
mod side;
mod silencing;

/// The cases that hold on every side, one test each.
macro_rules! cases {
    ($side:expr, $(#[$attribute:meta])*) => {
        cases!(@ $side, [$(#[$attribute])*]
            alerts::an_alert_fires_is_silenced_and_resolves_and_the_breach_recovers,
            alerts::an_alert_that_went_comes_back_as_another_one,
            alerts::an_alert_that_two_replicas_tell_is_one,
            alertmanager_api::alerts_are_listed_and_filtered,
            alertmanager_api::silences_are_made_changed_and_ended,
            silencing::a_silence_keeps_the_promises_of_the_gateway,
            queries::a_query_that_fails_limits_the_view_and_no_other_query,
            queries::values_that_are_no_numbers_are_no_values,
            prometheus_api::queries_are_answered,
            prometheus_api::queries_that_cannot_be_answered_say_why,
        );
    };
    (@ $side:expr, $attributes:tt $($module:ident::$case:ident,)*) => {
        $(cases!(% $side, $attributes $module::$case);)*
    };
    (% $side:expr, [$(#[$attribute:meta])*] $module:ident::$case:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $case() {
            crate::metrics::$module::$case($side.await).await;
        }
    };
}

/// The cases of what only the real servers have.
macro_rules! real_cases {
    ($side:expr, $need:literal) => {
        cases!($side, #[ignore = $need]);
        cases!(@ $side, [#[ignore = $need]]
            alerts::an_inhibited_alert_says_by_what,
            alerts::an_alertmanager_that_forgot_its_alerts_in_a_restart_has_not_ended_them,
            queries::a_query_that_takes_too_long_limits_the_view_and_no_other_query,
        );
    };
}

mod drill {
    cases!(crate::metrics::side::Drilled::open(),);
    cases!(@ crate::metrics::side::Drilled::open(), []
        alerts::servers_that_go_away_come_back_with_their_data_and_nothing_twice,
    );
}

mod real {
    mod debian {
        real_cases!(crate::metrics::side::Real::open("OLD"), "needs prometheus-debian: tests/run starts it");
        cases!(@ crate::metrics::side::Real::open("OLD"),
            [#[ignore = "needs prometheus-debian: tests/run starts it"]]
            alerts::servers_that_go_away_come_back_with_their_data_and_nothing_twice,
        );
    }

    mod new {
        real_cases!(crate::metrics::side::Real::open("NEW"), "needs prometheus-go: tests/run starts it");
        cases!(@ crate::metrics::side::Real::open("NEW"),
            [#[ignore = "needs prometheus-go: tests/run starts it"]]
            alerts::servers_that_go_away_come_back_with_their_data_and_nothing_twice,
        );
    }
}
