// What columns are called in tables of no known origin.
#include "store/rows/formats.h"

#include <initializer_list>

namespace postern::rows {
namespace {

// Not "created" and the like: when a contact was added is not when they left.
std::vector<Column> columns() {
  std::vector<Column> all;
  const auto add = [&](Use use, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) all.push_back({std::string(name), use});
  };
  const auto flag = [&](Status status, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) all.push_back({std::string(name), Use::flag, status});
  };
  add(Use::address,
      {"email", "email address", "e-mail address", "mail", "mail address", "address",
       "contact email", "subscriber email", "recipient email", "user email", "primary email",
       "recipient",
       // German, French, Spanish, and some neighbours
       "E-Mail-Adresse", "Mailadresse", "E-Mail-Adressen", "Empfänger", "Adresse e-mail",
       "Adresse mail", "Adresse de messagerie", "Adresse de courriel", "Courriel", "Mél",
       "Adresse électronique", "Correo electrónico", "Correo", "Dirección de correo",
       "Dirección de correo electrónico", "Dirección de email", "Indirizzo e-mail", "E-mailadres",
       "Endereço de e-mail",
       // digests of them
       "md5", "sha1", "sha256", "email md5", "email sha1", "email sha256", "md5 email",
       "sha256 email", "email hash", "hashed email", "hash"});
  add(Use::status, {"status", "email status", "subscription status", "subscriber status",
                    "e-mail-status", "Anmeldestatus", "Statut", "Statut e-mail",
                    "Statut d'abonnement", "État", "Estado", "Estado de suscripción", "Stato"});
  add(Use::stream, {"stream"});
  add(Use::date, {"date", "unsubscribed at", "unsubscribed on", "unsubscribe date",
                  "unsubscribe time", "unsubscription date", "date unsubscribed", "opt-out date",
                  "opt-out time", "opted out at", "bounced at", "bounce date", "complained at",
                  "complaint date", "blocked at", "suppressed at",
                  //
                  "Datum", "Abgemeldet am", "Abmeldedatum", "Abmeldung am", "Austragungsdatum",
                  "Ausgetragen am", "Date de désinscription", "Désinscrit le", "Désabonné le",
                  "Date de désabonnement", "Fecha", "Fecha de baja", "Baja el",
                  "Fecha de cancelación", "Dado de baja el"});
  add(Use::until, {"until"});
  add(Use::reason, {"reason", "unsubscribe reason", "opt-out reason", "bounce reason", "comment",
                    "comments", "note", "notes", "diagnostic", "Grund", "Abmeldegrund", "Kommentar",
                    "Raison", "Motif", "Commentaire", "Motivo", "Comentario"});
  flag(Status::unsubscribed,
       {"unsubscribed", "is unsubscribed", "opt-out", "opted out", "is opted out", "email opt-out",
        "has opted out of email", "do not email", "Abgemeldet", "Désinscrit", "Désabonné", "Baja",
        "Dado de baja"});
  flag(Status::bounced, {"bounced", "is bounced", "hard bounce", "hard bounced", "hard bounces"});
  flag(Status::complained,
       {"complained", "complaint", "spam complaint", "spam report", "marked as spam"});
  flag(Status::blocked,
       {"blocked", "blocklisted", "blacklisted", "Gesperrt", "Bloqué", "Bloqueado"});
  add(Use::subscribed, {"subscribed", "is subscribed", "Angemeldet", "Abonné", "Suscrito"});
  return all;
}

}  // namespace

const Format& generic_format() {
  static const Format format = plain({.name = "csv", .source = no_source, .columns = columns()});
  return format;
}

}  // namespace postern::rows
