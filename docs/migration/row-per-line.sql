CREATE TABLE order_lines (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    invoice     VARCHAR(20) NULL,
    stock_code  VARCHAR(20) NOT NULL,
    description VARCHAR(100) NULL,
    quantity    INT NOT NULL,
    invoiced_at DATETIME NULL,
    unit_price  DECIMAL(10, 3) NOT NULL,
    customer_id VARCHAR(20) NULL,
    country     VARCHAR(40) NULL,
    status      VARCHAR(12) NOT NULL DEFAULT 'done',
    KEY (invoice)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
