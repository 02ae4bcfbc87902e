//! `/websockets`

use crate::{
    reply::{Answer, ok},
    request::Request,
    route::Route,
};

pub(super) static ROUTES: &[Route] =
    &[Route::get("websockets", "getWebSockets", |r| Box::pin(list(r))).of_node().gives("WebSocketStatus")];

async fn list(request: Request) -> Answer {
    ok(&request.shared.connections.status())
}
