//! AWS: the drill's account, ministack, and moto for the pages of CloudWatch Logs.
//!
//! A case is written once, in `aws/`, over a [`side::Side`]. No server has it all (ministack never
//! pages `FilterLogEvents`, moto speaks no CBOR to CloudWatch and no Live Tail), so a side says for
//! each service where it is.

mod acting;
mod alarms;
mod logs;
mod refusals;
mod side;

macro_rules! case {
    ($(#[$attribute:meta])* $name:ident, $module:ident, $side:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $name() {
            crate::aws::$module::$name($side).await;
        }
    };
}

mod drill {
    use super::side::Drilled;

    case!(alarms_page_change_state_and_have_a_history, alarms, Drilled::open().await);
    case!(the_caller_is_known, alarms, Drilled::open().await);
    case!(searched_lines_come_once_each_also_after_a_break, logs, Drilled::open().await);
    case!(tailed_lines_come_once_each_also_after_a_break, logs, Drilled::open().await);
    case!(all_of_it_is_acted_on, acting, crate::aws::acting::Drilled::open().await);
}

mod real {
    mod ministack {
        use crate::aws::side::Real;

        case!(
            #[ignore = "needs aws: tests/run starts it"]
            alarms_page_change_state_and_have_a_history,
            alarms,
            Real::ministack()
        );
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            the_caller_is_known,
            alarms,
            Real::ministack()
        );
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            searched_lines_come_once_each_also_after_a_break,
            logs,
            Real::ministack()
        );
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            tailed_lines_come_once_each_also_after_a_break,
            logs,
            Real::ministack()
        );
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            credentials_that_are_refused_are_told_in_a_sentence,
            refusals,
            Real::ministack()
        );
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            a_service_of_ecs_is_scaled_and_rolled_back,
            acting,
            Real::ministack()
        );
        // A batch that names a record as it is not is refused here, as AWS does it.
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            weighted_records_are_diverted,
            acting,
            Real::ministack()
        );
    }

    mod moto {
        use crate::aws::side::Real;

        // ministack keeps no weights.
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            weighted_target_groups_are_diverted,
            acting,
            Real::moto()
        );
        // Its FilterLogEvents pages.
        case!(
            #[ignore = "needs aws: tests/run starts it"]
            searched_lines_come_once_each_also_after_a_break,
            logs,
            Real::moto()
        );
    }
}
