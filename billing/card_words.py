"""What the sandbox's card form says, in the shopper's language. All its words are here: messages in English, and French."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_FRENCH: Mapping[str, str] = MappingProxyType(
    {
        "Add a card": "Ajouter une carte",
        "This is a test shop. Do not type a real card.": "Ceci est un magasin d'essai. N'entrez pas de vraie carte.",
        "Please check what is marked.": "Veuillez vérifier ce qui est signalé.",
        "Card number": "Numéro de carte",
        "Expiry date": "Date d'expiration",
        "Month and year, as 04/30": "Mois et année, comme 04/30",
        "Security code": "Code de sécurité",
        "Three digits on the back, or four on the front": "Trois chiffres au dos, ou quatre au recto",
        "Save the card": "Enregistrer la carte",
        "Go back without a card": "Revenir sans carte",
        "Type the card number.": "Entrez le numéro de carte.",
        "This is not a card number.": "Ce n'est pas un numéro de carte.",
        "Only the test cards below are taken here.": "Seules les cartes d'essai ci-dessous sont acceptées ici.",
        "Type the expiry date.": "Entrez la date d'expiration.",
        "This is not a month and a year.": "Ce n'est pas un mois et une année.",
        "This card has expired.": "Cette carte a expiré.",
        "Type the security code.": "Entrez le code de sécurité.",
        "This is not the card's security code.": "Ce n'est pas le code de sécurité de la carte.",
        "Test cards": "Cartes d'essai",
        "pays": "paie",
        "is declined when it is to pay": "est refusée au moment de payer",
        "asks the shopper to confirm a payment": "demande au client de confirmer un paiement",
        "is refused here": "est refusée ici",
    }
)

_CATALOGUES: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": MappingProxyType({}), "fr": _FRENCH})


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language. Call it with an English message."""

    locale: str
    catalogue: Mapping[str, str] = field(repr=False)

    def __call__(self, message: str, /) -> str:
        """Return ``message`` in this language, in English where it has none."""
        return self.catalogue.get(message, message)


def words(locale: str) -> Words:
    """Return the words of ``locale`` (``en``, ``fr``), English for any other."""
    known = locale if locale in _CATALOGUES else "en"
    return Words(known, _CATALOGUES[known])
