//! Values that must conform to a datatype. The machine finds out which datatype it is, as of the place of the message;
//! whether the value conforms is asked outside.

use photinus_model::Hash;

use crate::decision::Code;
use crate::facts::Place;
use crate::facts::content::Datatype;
use crate::mutation::{self, Mutation};
use crate::open;
use crate::reason::Reason;
use crate::rows::{Question, Stop, key};
use crate::rules::Rules;
use crate::step::Machine;
use crate::topics;
use crate::verdict::{Judgement, Subject};

/// Judges a message by its data.
pub(crate) fn judge(machine: &mut Machine<'_>, subject: &Subject<'_>) -> Result<Judgement, Stop> {
    for data in &subject.message.data {
        let Some(datatype) = &data.datatype else { continue };
        if !data.has_value {
            return Ok(Judgement::reject(Code::ValueMissing));
        }
        let defined = machine.rows.named(&key::datatype(&datatype.name, &datatype.version))?;
        let Some(defined) = defined.filter(|defined| defined.place < subject.place) else {
            let open = open_context(machine, datatype, subject)?;
            return Ok(open.map_or_else(|| Judgement::reject(Code::DatatypeUnknown), Judgement::Wait));
        };
        let question = Question {
            datatype: datatype.clone(),
            definition: defined.message,
            payload: defined.payload,
            data: data.key,
        };
        if !machine.rows.conforms(&question)? {
            return Ok(Judgement::reject(Code::SchemaInvalid));
        }
    }
    Ok(Judgement::confirm())
}

/// Whether the datatype may still be defined below the message: then the reason to wait.
fn open_context(machine: &mut Machine<'_>, datatype: &Datatype, subject: &Subject<'_>) -> Result<Option<Reason>, Stop> {
    if mutation::is(Mutation::HastyAboutDatatypes) {
        return Ok(None);
    }
    for context in contexts(machine.rules, &datatype.name) {
        if open::head(machine.rows, &context)?.is_some_and(|head| head < subject.place) {
            return Ok(Some(Reason::Below(context, subject.place)));
        }
    }
    Ok(None)
}

/// A datatype is known from now on: looks at those who waited for it, although more may be open below them.
pub(crate) fn defined(machine: &mut Machine<'_>, datatype: &Datatype) -> Result<(), Stop> {
    for context in contexts(machine.rules, &datatype.name) {
        machine.wake(&Reason::Below(context, Place::default()))?;
    }
    Ok(())
}

/// The contexts in which a datatype of this name may be defined.
fn contexts(rules: &Rules, name: &str) -> Vec<Hash> {
    let namespaces = [Some(""), rules.legacy_namespace.as_deref()];
    let topic = |namespace| topics::Kind::Datatype.topic(namespace, name);
    namespaces.into_iter().flatten().map(|namespace| Hash::of(topic(namespace).as_bytes())).collect()
}
