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

use crate::route::Route;

/// The routes of a listener.
pub(crate) struct Surface {
    /// What every path begins with.
    pub(crate) base: &'static [&'static str],
    tables: &'static [&'static [Route]],
}

impl Surface {
    /// Every route, in the order in which they are tried.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &'static Route> + use<> {
        self.tables.iter().flat_map(|table| table.iter())
    }
}

/// The API for applications.
pub(crate) static API: Surface = Surface {
    base: &["api", "v1"],
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
pub(crate) static SPI: Surface = Surface { base: &["spi", "v1"], tables: &[status::SPI, ledger::SPI] };
