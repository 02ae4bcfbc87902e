//! A play: a carrier issues a bill of lading with its PDF, buyer and seller answer at the same moment, and each member sees
//! the same events in the same order; then buyer and seller agree in private on what the carrier must not know. It talks to the members as any application does: REST and WebSocket.

mod columns;
mod pdf;
mod private;
mod verify;
mod watch;

use std::time::Duration;

use columns::Columns;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use watch::Event;

pub(crate) use verify::Agreement;

use crate::{
    error::Error,
    network::{Layout, client::Client, stack::Stack},
    output::Output,
};

/// Organisation and node of each member.
pub(crate) const CAST: [(&str, &str); 3] =
    [("carrier", "carrier_node"), ("buyer", "buyer_node"), ("seller", "seller_node")];

/// How long the members may take to see a message.
const SEEN: Duration = Duration::from_secs(30);
const DATATYPE: &str = "bill_of_lading";
const VERSION: &str = "1.0";

/// The three members, and what they saw so far.
struct Stage {
    clients: Vec<Client>,
    columns: Columns,
    events: mpsc::Receiver<Event>,
    output: Output,
}

/// Plays and compares.
pub(crate) async fn play(layout: &Layout, stack: &Stack, output: Output) -> Result<Agreement, Error> {
    let http = reqwest::Client::new();
    let clients: Vec<Client> = stack.members.iter().map(|member| Client::new(http.clone(), member)).collect();
    let [carrier, buyer, seller] = clients.as_slice() else {
        return Err(Error::Disagreement(format!("the play needs three members, there are {}", clients.len())));
    };
    let (sender, events) = mpsc::channel(1_000);
    for member in &stack.members {
        watch::follow(member, &sender).await?;
    }
    drop(sender);
    let names: Vec<&str> = clients.iter().map(Client::name).collect();
    output.say(Columns::heading(&names));
    let mut stage = Stage { columns: Columns::new(clients.len()), events, output, clients: clients.clone() };

    let number = format!("BL-{}", hex::encode(rand::random::<[u8; 3]>()));
    if !carrier.exists(&format!("datatypes/{DATATYPE}/{VERSION}")).await? {
        let datatype = json!({"name": DATATYPE, "version": VERSION, "value": schema()});
        let datatype = carrier.post("datatypes", &datatype).await?;
        stage.until_seen(&[text(&datatype, "/message")?]).await?;
    }

    let document = carrier.upload(&format!("{number}.pdf"), "application/pdf", pdf::page(&lines(&number))).await?;
    let bill = json!({
        "header": {"topics": [number], "tag": "bill_issued"},
        "data": [
            {"datatype": {"name": DATATYPE, "version": VERSION}, "value": value(&number)},
            {"id": text(&document, "/id")?},
        ],
    });
    let bill = text(&carrier.post("messages/broadcast", &bill).await?, "/header/id")?;
    stage.until_seen(std::slice::from_ref(&bill)).await?;

    let answer = |tag: &str, note: &str| json!({"header": {"topics": [number], "tag": tag, "cid": bill}, "data": [{"value": {"number": number, "note": note}}]});
    let (accepted, presented) = (
        answer("bill_accepted", "goods may be released against this bill"),
        answer("payment_requested", "payable on presentation"),
    );
    let (accepted, presented) =
        tokio::try_join!(buyer.post("messages/broadcast", &accepted), seller.post("messages/broadcast", &presented))?;
    stage.until_seen(&[text(&accepted, "/header/id")?, text(&presented, "/header/id")?]).await?;
    let agreement = verify::verify(&stage.clients, &stage.columns).await?;
    let carrier_files = [layout.data(0), layout.exchange(0)];
    let leg = private::Leg { carrier, buyer, seller, carrier_files, seller_files: layout.data(2) };
    for line in leg.play(&number).await? {
        output.say(line);
    }
    Ok(agreement)
}

impl Stage {
    /// Prints what the members see until all have seen the end of these messages.
    async fn until_seen(&mut self, messages: &[String]) -> Result<(), Error> {
        let deadline = Instant::now() + SEEN;
        while !messages.iter().all(|message| self.columns.all_saw(message)) {
            let late = || Error::Late { what: format!("seeing {}", messages.join(", ")), seconds: SEEN.as_secs() };
            let event = tokio::time::timeout_at(deadline, self.events.recv()).await.map_err(|_| late())?;
            let event = event.ok_or_else(late)?;
            let seen = event.seen?;
            if seen.private {
                // What an earlier play said in private, and only some members see.
                continue;
            }
            let rejected =
                (seen.kind == "message_rejected" && messages.contains(&seen.message)).then(|| seen.message.clone());
            for row in self.columns.take(event.member, seen) {
                self.output.say(row);
            }
            if let Some(message) = rejected {
                return Err(Error::Disagreement(format!("message {message} was rejected")));
            }
        }
        Ok(())
    }
}

fn text(answer: &Value, pointer: &str) -> Result<String, Error> {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Error::Disagreement(format!("an answer lacks {pointer}: {answer}")))
}

fn schema() -> Value {
    json!({
        "$id": "https://photinus.example/bill_of_lading.json",
        "type": "object",
        "required": ["number", "shipper", "consignee", "vessel", "goods"],
        "properties": {
            "number": {"type": "string"},
            "shipper": {"type": "string"},
            "consignee": {"type": "string"},
            "vessel": {"type": "string"},
            "goods": {"type": "array", "minItems": 1, "items": {
                "type": "object",
                "required": ["description", "packages", "kilograms"],
                "properties": {
                    "description": {"type": "string"},
                    "packages": {"type": "integer", "minimum": 1},
                    "kilograms": {"type": "number", "exclusiveMinimum": 0},
                },
            }},
        },
    })
}

fn value(number: &str) -> Value {
    json!({
        "number": number,
        "shipper": "seller",
        "consignee": "buyer",
        "vessel": "MV Lampyris",
        "goods": [{"description": "Arabica coffee, green", "packages": 320, "kilograms": 19_200}],
    })
}

fn lines(number: &str) -> Vec<String> {
    [
        &format!("BILL OF LADING {number}"),
        "",
        "Shipper:    seller",
        "Consignee:  buyer",
        "Vessel:     MV Lampyris",
        "Goods:      320 bags of Arabica coffee, green, 19200 kg",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_play_has_three_roles_and_a_document() {
        assert_eq!(CAST.map(|(org, _)| org), ["carrier", "buyer", "seller"]);
        let document = pdf::page(&lines("BL-1"));
        assert!(document.starts_with(b"%PDF-") && document.len() > 500);
        assert_eq!(value("BL-1")["number"], "BL-1");
        assert!(text(&json!({"a": {"b": "c"}}), "/a/b").unwrap() == "c" && text(&json!({}), "/a").is_err());
    }
}
