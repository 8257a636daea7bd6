"""What shops call their columns and states, in English, German, French and Spanish.

Names are written as `plain` writes them. What comes first in a list is preferred.
"""

from __future__ import annotations

import re
import unicodedata

_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def plain(name: str) -> str:
    """ "BestellNr" and "bestell-nr" as "bestell_nr", "créé le" as "cree_le"."""
    parted = re.sub(r"(?<=[a-zß-ÿ0-9])(?=[A-Z])", "_", name).lower().translate(_GERMAN)
    letters = unicodedata.normalize("NFKD", parted).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", letters).strip("_")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: By what a column is for: its names.
COLUMNS: dict[str, tuple[str, ...]] = {
    "number": _names(
        "order_number order_no order_nr ordernumber orderno increment_id invoice_number invoice_no"
        " invoice bestellnummer bestell_nr bestellnr best_nr auftragsnummer auftrags_nr auftrag_nr"
        " auftragsnr rechnungsnummer rechnung_nr rechnungs_nr numero_commande num_commande"
        " belegnummer beleg_nr belegnr vorgangsnummer vorgangs_nr vorgangsnr"
        " no_commande reference_commande numero_pedido num_pedido pedido_numero folio"
        " order_id orderid bestellung_id bestell_id auftrag_id commande_id id_commande pedido_id"
        " id_pedido nummer number numero reference no nr num id entity_id"
    ),
    "created_at": _names(
        "created_at placed_at ordered_at order_date order_time date_created date_created_gmt"
        " created_on purchase_date purchased_at created date_added invoice_date invoiced_at"
        " placed ordered bestelldatum bestellt_am bestellt bestell_datum auftragsdatum erstellt_am"
        " angelegt_am angelegt erstellt"
        " erfasst_am rechnungsdatum datum zeitpunkt date_commande date_creation commande_le"
        " passee_le cree_le fecha_pedido fecha_creacion creado_en creado fecha date timestamp at"
    ),
    "settled_at": _names(
        "completed_at shipped_at delivered_at settled_at completed shipped delivered erledigt"
        " date_completed updated_at date_updated"
        " date_updated_gmt date_modified modified_at last_modified versendet_am versandt_am"
        " geliefert_am erledigt_am geaendert_am geaendert aktualisiert_am expediee_le expedie_le"
        " livree_le date_modification modifie_le enviado_en entregado_en actualizado_en"
        " fecha_actualizacion"
    ),
    "status": _names(
        "status order_status state bestellstatus auftragsstatus zustand statut etat estado"
        " estado_pedido status_id order_status_id"
    ),
    "currency": _names(
        "currency order_currency_code order_currency currency_code waehrung waehrungscode devise"
        " monnaie moneda divisa"
    ),
    "total": _names(
        "total grand_total total_amount order_total amount_total total_paid gesamtbetrag"
        " gesamtsumme gesamt summe endbetrag betrag montant_total total_ttc montant importe_total"
        " importe amount"
    ),
    "shipping": _names(
        "shipping shipping_amount shipping_cost shipping_total total_shipping postage freight"
        " versand versandkosten porto lieferkosten frais_port frais_de_port port livraison"
        " gastos_envio envio portes"
    ),
    "tax": _names(
        "tax tax_amount total_tax vat vat_amount mwst mehrwertsteuer steuer ust tva montant_tva"
        " impuesto impuestos iva"
    ),
    "discount": _names(
        "discount discount_amount discount_total total_discount rabatt nachlass remise reduction"
        " descuento"
    ),
    "coupon": _names(
        "coupon coupon_code voucher voucher_code promo_code gutschein gutscheincode code_promo"
        " cupon codigo_promocional"
    ),
    "purchase_order": _names(
        "po_number purchase_order purchase_order_number ihre_bestellnummer kunden_bestellnummer"
        " numero_bon_commande orden_compra"
    ),
    "payment": _names(
        "payment_reference payment_ref transaction_id txn_id payment_id charge_id"
        " payment_transaction_id zahlungsreferenz zahlung_id transaktion_id transaktionsnummer"
        " zahlung"
        " reference_paiement transaction id_transaccion referencia_pago"
    ),
    "channel": _names("channel sales_channel order_channel kanal vertriebskanal canal"),
    "customer": _names(
        "customer_id customer_number customer_no cust_id user_id client_id customer kunden_id"
        " kunde_id kunden_nr kundennummer kundennr kunde id_client client cliente_id id_cliente"
        " cliente usuario_id customer_email email e_mail mail billing_email courriel correo cust"
    ),
    "subject": _names(
        "subject sub oidc_subject auth0_id cognito_sub keycloak_id idp_id identity_id external_id"
    ),
    "name": _names(
        "recipient full_name fullname customer_name contact_name name empfaenger kundenname"
        " destinataire nom_complet nom_client destinatario nombre_completo nombre_cliente nombre"
    ),
    "first_name": _names("first_name firstname forename vorname prenom nombre"),
    "last_name": _names("last_name lastname surname nachname nom_famille nom apellidos apellido"),
    "line1": _names(
        "street address_line_1 address_line1 address1 address_1 street1 street_1 address strasse"
        " str anschrift adresse_1 adresse1 adresse rue calle direccion_1 direccion domicilio"
    ),
    "line2": _names(
        "street2 street_2 address_line_2 address_line2 address2 address_2 adresszusatz zusatz"
        " hausnummer adresse_2 adresse2 complement direccion_2 direccion2"
    ),
    "city": _names("city town ort stadt ville ciudad localidad poblacion"),
    "postal_code": _names(
        "postcode postal_code postalcode zip zip_code zipcode plz postleitzahl code_postal cp"
        " codigo_postal"
    ),
    "country": _names(
        "country country_code country_id country_iso land laendercode land_code pays code_pays"
        " pais codigo_pais"
    ),
    "state": _names("state region province county bundesland departement provincia"),
    "phone": _names("phone telephone tel telefon mobile handy telefono movil phone_number"),
    "email": _names("email e_mail email_address mail courriel correo correo_electronico"),
    "sku": _names(
        "sku stock_code product_sku product_code item_code item_number article_number article_no"
        " artikelnummer artikel_nr artikelnr artnr art_nr reference_produit ref_produit"
        " code_article referencia codigo_producto codigo_articulo code article artikel"
        " ref product_id item_id artikel_id produit_id id_produit producto_id id_producto"
    ),
    "quantity": _names(
        "quantity qty qty_ordered product_qty product_quantity menge anzahl stueck stueckzahl"
        " quantite qte cantidad unidades units"
    ),
    "unit_price": _names(
        "unit_price unitprice price_each item_price einzelpreis stueckpreis preis_einzel"
        " prix_unitaire prix_unit precio_unitario precio_unidad price preis prix precio"
    ),
    "lines": _names(
        "items lines line_items order_lines products cart basket positionen artikel warenkorb"
        " lignes articles lineas articulos payload data"
    ),
    "deleted": _names(
        "deleted_at deleted is_deleted removed_at trashed_at geloescht_am geloescht"
        " ist_geloescht supprime_le supprime efface eliminado_en eliminado borrado is_test test"
    ),
    "kind": _names(
        "kind type order_type document_type doc_type entry_type belegart belegtyp art typ"
        " type_commande type_document tipo tipo_documento tipo_pedido"
    ),
    "address_kind": _names("address_type type kind adresstyp typ type_adresse tipo"),
}

#: Columns of which init counts the words; none of them is about a person.
COUNTED = ("status", "currency", "channel", "country", "kind", "deleted")

#: A prefix of the delivery's address, which comes before that of the invoice.
DELIVERY = _names("shipping ship delivery deliver liefer lieferung livraison envio entrega")
INVOICE = _names("billing bill invoice rechnung rechnungs facturation factura facturacion")

#: By what a state means: beginnings of its words. "unclear" needs a person: money may not have
#: come, or may have gone back.
STATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "unclear",
        _names(
            "unpaid pending await wait hold on_hold holded payment fail declin draft cart abandon"
            " quote refund return partial credit unbezahlt offene_zahlung wartet vorkasse warte"
            " entwurf warenkorb angebot gutschrift retour rueck erstatt fehlgeschlagen en_attente"
            " attente impaye brouillon panier devis rembours avoir retourne echec pendiente"
            " impagad borrador carrito presupuesto reembols devuel devolu abono fallid"
        ),
    ),
    (
        "cancelled",
        _names("cancel void stornier storno abgebrochen annul abandonne anulad"),
    ),
    (
        "rejected",
        _names("refus reject denied out_of_stock abgelehnt nicht_lieferbar rechaz denegad"),
    ),
    (
        "confirmed",
        _names(
            "complet deliver ship dispatch done closed fulfil finish sent invoiced versandt"
            " versendet verschickt geliefert zugestellt abgeschlossen erledigt ausgeliefert"
            " livre expedi termine envoye cloture facture entregad enviad completad finaliz"
            " terminad cerrad"
        ),
    ),
    (
        "open",
        _names(
            "new open paid process confirm accept placed picked packed ready received neu offen"
            " bezahlt in_bearbeitung bearbeitung bestaetigt angenommen gepackt kommissioniert"
            " eingegangen nouve en_cours paye confirme accepte prepar nuev abiert pagad"
            " en_proceso proces confirmad aceptad recibid"
        ),
    ),
)

#: Beginnings of words that say: this is no order. Words that are not known are kept.
NO_ORDERS = _names(
    "refund credit return cart quote draft template estimate gutschrift retour warenkorb angebot"
    " entwurf avoir devis panier brouillon retoure remboursement abono devolucion presupuesto"
    " carrito borrador"
)
#: In a column's name or comment: its amounts are in minor units.
MINOR = _names("cent cents centimes centime pence penny minor centimos centavos pfennig rappen")
WHOLESALE = _names("wholesale trade b2b grosshandel haendler gros grossiste mayorista mayoreo")
RETAIL = _names(
    "retail web app shop store online pos phone mobile b2c website laden einzelhandel telefon"
    " boutique magasin detail tienda telefono minorista"
)
POSTAGE = _names(
    "post postage shipping ship freight delivery carriage dot versand versandkosten porto"
    " lieferung fracht port frais_port livraison envio gastos_envio portes"
)

#: Beside codes of two letters.
COUNTRIES = {
    name: code
    for code, names in {
        "AT": "austria oesterreich autriche",
        "AU": "australia australien australie",
        "BE": "belgium belgien belgique belgica",
        "BG": "bulgaria bulgarien bulgarie",
        "BH": "bahrain",
        "CA": "canada kanada",
        "CH": "switzerland schweiz suisse suiza",
        "CY": "cyprus zypern chypre chipre",
        "CZ": "czech_republic czechia tschechien republique_tcheque republica_checa chequia",
        "DE": "germany deutschland allemagne alemania brd",
        "DK": "denmark daenemark danemark dinamarca",
        "EE": "estonia estland estonie",
        "ES": "spain spanien espagne espana",
        "FI": "finland finnland finlande finlandia",
        "FR": "france frankreich francia",
        "GB": "united_kingdom uk great_britain england scotland wales grossbritannien"
        " vereinigtes_koenigreich royaume_uni angleterre reino_unido",
        "GR": "greece griechenland grece grecia",
        "HR": "croatia kroatien croatie croacia",
        "HU": "hungary ungarn hongrie hungria",
        "IE": "ireland eire irland irlande irlanda",
        "IL": "israel",
        "IS": "iceland island islande islandia",
        "IT": "italy italien italie italia",
        "JE": "jersey",
        "JP": "japan japon",
        "LI": "liechtenstein",
        "LT": "lithuania litauen lituanie lituania",
        "LU": "luxembourg luxemburg luxemburgo",
        "LV": "latvia lettland lettonie letonia",
        "MX": "mexico mexiko mexique",
        "NL": "netherlands the_netherlands holland niederlande pays_bas paises_bajos",
        "NO": "norway norwegen norvege noruega",
        "PL": "poland polen pologne polonia",
        "PT": "portugal",
        "RO": "romania rumaenien roumanie rumania",
        "SE": "sweden schweden suede suecia",
        "SI": "slovenia slowenien slovenie eslovenia",
        "SK": "slovakia slowakei slovaquie eslovaquia",
        "US": "usa united_states united_states_of_america vereinigte_staaten etats_unis"
        " estados_unidos",
    }.items()
    for name in names.split()
}
CURRENCIES = {"€": "EUR", "eu": "EUR", "euro": "EUR", "£": "GBP", "$": "USD"}


def state_of(word: str) -> str:
    """What a state's word seems to mean: a name of `STATES`, or "" for none."""
    said = plain(word)
    for prefix in ("wc_", "order_", "status_"):
        said = said.removeprefix(prefix)
    for meaning, beginnings in STATES:
        if any(said.startswith(one) or f"_{one}" in said for one in beginnings):
            return meaning
    return ""
