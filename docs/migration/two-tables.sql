-- Orders and their lines in two tables, as most shops have them, in Latin-1 and in German. What the
-- move reads is one row per line, so a view joins them.
CREATE TABLE kunden (
    id    INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email VARCHAR(120) NOT NULL,
    name  VARCHAR(120) NOT NULL,
    KEY (email)
) ENGINE = InnoDB DEFAULT CHARACTER SET latin1;

-- The accounts at the new identity provider, which you load: one row a person. The subject is what
-- it calls them.
CREATE TABLE konten (
    email   VARCHAR(120) NOT NULL PRIMARY KEY,
    subject VARCHAR(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET latin1;

CREATE TABLE bestellungen (
    id         INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kunde_id   INT UNSIGNED NULL,
    art        VARCHAR(12) NOT NULL DEFAULT 'Bestellung',
    status     VARCHAR(20) NOT NULL DEFAULT 'bezahlt',
    bestellt   DATETIME NOT NULL,
    erledigt   DATETIME NULL,
    empfaenger VARCHAR(120) NOT NULL,
    strasse    VARCHAR(120) NOT NULL,
    plz        VARCHAR(10) NOT NULL,
    ort        VARCHAR(80) NOT NULL,
    land       VARCHAR(40) NOT NULL DEFAULT 'Deutschland',
    versand    DECIMAL(10, 2) NOT NULL DEFAULT 0,
    zahlung    VARCHAR(40) NULL,
    geloescht  DATETIME NULL,
    KEY (kunde_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET latin1;

CREATE TABLE positionen (
    id            INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    bestellung_id INT UNSIGNED NOT NULL,
    artikel       VARCHAR(40) NOT NULL,
    menge         DECIMAL(8, 2) NOT NULL,
    preis         DECIMAL(10, 2) NOT NULL,
    KEY (bestellung_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET latin1;

-- No GROUP BY, DISTINCT or UNION: the server must be able to read one order through the indexes of
-- the tables. Who asks for the e-mail of an order is no customer of it: the view does.
CREATE VIEW spillway_orders AS
SELECT
    b.id, b.art, b.status, b.bestellt, b.erledigt, b.empfaenger, b.strasse, b.plz, b.ort, b.land,
    b.versand, b.zahlung, b.geloescht, p.artikel, p.menge, p.preis, k.email
FROM bestellungen b
JOIN positionen p ON p.bestellung_id = b.id
LEFT JOIN kunden k ON k.id = b.kunde_id;
