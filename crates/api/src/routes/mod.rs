//! The routes, one module for each collection.

mod charts;
mod data;
mod deliveries;
mod events;
mod identities;
mod ledger;
mod messages;
mod queries;
mod status;
mod subscriptions;
mod websockets;

use crate::{
    metrics::{Metrics, Requests},
    route::Route,
};

/// The routes of a listener.
pub(crate) struct Surface {
    /// What every path begins with.
    pub(crate) base: &'static [&'static str],
    /// Where its requests are counted.
    pub(crate) counters: fn(&Metrics) -> &Requests,
    tables: &'static [&'static [Route]],
}

impl Surface {
    /// Every route, in the order in which they are tried.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &'static Route> + use<> {
        self.tables.iter().flat_map(|table| table.iter())
    }

    /// The whole path of a route with its variables, as it is counted.
    pub(crate) fn place(&self, route: &Route, namespaced: bool) -> String {
        let namespace = if namespaced { "namespaces/{ns}/" } else { "" };
        format!("/{}/{namespace}{}", self.base.join("/"), route.path.replace("*}", "}"))
    }
}

/// The API for applications.
pub(crate) static API: Surface = Surface {
    base: &["api", "v1"],
    counters: |metrics| &metrics.rest,
    tables: &[
        status::ROUTES,
        messages::ROUTES,
        events::ROUTES,
        data::ROUTES,
        identities::ROUTES,
        ledger::ROUTES,
        charts::ROUTES,
        queries::ROUTES,
        subscriptions::ROUTES,
        deliveries::ROUTES,
        websockets::ROUTES,
    ],
};

/// An input of which no field matters.
#[derive(Default, serde::Deserialize)]
pub(crate) struct EmptyInput {}

/// The administration interface.
pub(crate) static SPI: Surface =
    Surface { base: &["spi", "v1"], counters: |metrics| &metrics.admin, tables: &[status::SPI, ledger::SPI] };
