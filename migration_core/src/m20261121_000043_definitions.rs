//! What betas are against, and what may happen: factors and scenarios by stable codes.
//!
//! Ids are UUIDv5 over `tandem/factor/CODE` and `tandem/scenario/CODE` in the namespace of object identifiers.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

// Funds stand for factors. Shocks of `ir_beta` are basis points of yield, all others are returns.
const UP: &str = r#"
INSERT INTO factor_definitions (id, code, name, factor_type, calculation_method, long_symbol, short_symbol, description, display_order) VALUES
    ('7a3bcaeb-c89a-5e02-9894-e890df4206af', 'market_beta', 'Market beta', 'market', 'ols', 'SPY', NULL, 'How returns move with the market: regression on the S&P 500 fund.', 10),
    ('6227a0b4-473d-5d9a-a2b6-b616954f3dfa', 'ir_beta', 'Interest-rate beta', 'rates', 'ols', 'TLT', NULL, 'How returns move with long US treasuries: regression on the fund of 20 years and more.', 20),
    ('cb7779ca-e0f8-5618-b46c-620aaf14defd', 'provider_beta', 'Market beta as published', 'market', 'provider', 'SPY', NULL, 'The market beta that the data provider states for each company.', 30),
    ('bc5d9891-233f-56f3-88be-b2f2d7a996bc', 'value', 'Value', 'style', 'ridge', 'VTV', NULL, 'Shares that are cheap by their books and earnings.', 40),
    ('3dde6a05-78f7-5885-a359-09bf4ea26054', 'growth', 'Growth', 'style', 'ridge', 'VUG', NULL, 'Shares whose sales and earnings grow fast.', 50),
    ('b5166309-2f41-586e-b3f5-63fbd34a2022', 'momentum', 'Momentum', 'style', 'ridge', 'MTUM', NULL, 'Shares that rose most in the months before.', 60),
    ('c326c516-a948-5854-a51a-cc1c0930b073', 'quality', 'Quality', 'style', 'ridge', 'QUAL', NULL, 'Shares of profitable, steady companies with little debt.', 70),
    ('98417ff5-c08c-571c-888b-92458dfb1b8a', 'size', 'Size', 'style', 'ridge', 'IWM', NULL, 'Shares of small companies.', 80),
    ('5c8abad5-01f5-5cc5-9a24-372fbabf9a9a', 'low_volatility', 'Low volatility', 'style', 'ridge', 'USMV', NULL, 'Shares chosen so that together they vary little.', 90),
    ('90bd6291-6a08-52a9-93dc-7f2f22a21d40', 'growth_value_spread', 'Growth less value', 'spread', 'ols', 'VUG', 'VTV', 'Returns of growth above those of value.', 100),
    ('a3150915-f7f9-51f1-bbc0-a25bbb76e9a9', 'momentum_spread', 'Momentum less market', 'spread', 'ols', 'MTUM', 'SPY', 'Returns of momentum above those of the market.', 110),
    ('01bec486-2110-5911-9de1-99b3142432d4', 'size_spread', 'Size less market', 'spread', 'ols', 'IWM', 'SPY', 'Returns of small companies above those of the market.', 120),
    ('bf11c658-cc1c-5806-ae68-562ca7e61a4f', 'quality_spread', 'Quality less market', 'spread', 'ols', 'QUAL', 'SPY', 'Returns of quality above those of the market.', 130);

INSERT INTO stress_test_scenarios (id, scenario_id, name, description, category, severity, shock_config, is_active) VALUES
    ('73585950-c967-520e-bd09-c01a7795150e', 'market_up_5', 'Market up 5 %', 'Shares rise by 5 %.', 'base', 'mild', '{"market_beta": 0.05}', true),
    ('8e80ae4e-68fa-58ee-b8bb-fb5758c75d8f', 'market_down_5', 'Market down 5 %', 'Shares fall by 5 %.', 'base', 'mild', '{"market_beta": -0.05}', true),
    ('cf432160-5480-5551-bad6-cf54fd91bbb7', 'rates_up_50', 'Rates up 50 basis points', 'Yields rise by half a percentage point.', 'base', 'mild', '{"ir_beta": 50}', true),
    ('d5c19827-984c-532a-b24b-b48fc2a8317f', 'rates_down_50', 'Rates down 50 basis points', 'Yields fall by half a percentage point.', 'base', 'mild', '{"ir_beta": -50}', true),
    ('c2859ad2-d13f-5fd9-b483-dcf1b155af66', 'market_up_10', 'Market up 10 %', 'Shares rise by 10 %.', 'market', 'moderate', '{"market_beta": 0.1}', true),
    ('0b0e2c25-270b-5c27-9c3c-e4dd1d8fb000', 'market_down_10', 'Market down 10 %', 'A correction: shares fall by 10 %.', 'market', 'moderate', '{"market_beta": -0.1}', true),
    ('fe6622fa-4ff0-5947-839e-8a1f4f97121d', 'market_down_35', 'Market down 35 %', 'A crash: shares fall by 35 %.', 'market', 'extreme', '{"market_beta": -0.35}', true),
    ('2ecb5d4e-adbe-5f63-a4e6-6beae13a1faa', 'market_up_25', 'Market up 25 %', 'A rally: shares rise by 25 %.', 'market', 'severe', '{"market_beta": 0.25}', true),
    ('046ce635-89d6-5f7e-9f23-35aae0c2e8a4', 'rates_up_25', 'Rates up 25 basis points', 'Yields rise by a quarter of a percentage point.', 'rates', 'mild', '{"ir_beta": 25}', true),
    ('0ceb9f8f-303e-536f-a255-e85e1c77abc0', 'rates_down_25', 'Rates down 25 basis points', 'Yields fall by a quarter of a percentage point.', 'rates', 'mild', '{"ir_beta": -25}', true),
    ('b3ea07d3-97bf-532a-ad6f-af06c6ae3163', 'rates_up_100', 'Rates up 100 basis points', 'Yields rise by a percentage point.', 'rates', 'moderate', '{"ir_beta": 100}', true),
    ('6852b668-fcc7-566e-9bac-8d78ff00a66c', 'rates_down_100', 'Rates down 100 basis points', 'Yields fall by a percentage point.', 'rates', 'moderate', '{"ir_beta": -100}', true),
    ('90c06a13-627d-5cda-bca4-f47eb15727ac', 'rates_up_300', 'Rates up 300 basis points', 'Yields rise by three percentage points.', 'rates', 'extreme', '{"ir_beta": 300}', true),
    ('d405fdc9-ea3a-5754-ace0-24dd73f3b72b', 'value_rotation', 'Rotation into value', 'Value rises by 20 %, growth falls by 10 %.', 'rotation', 'moderate', '{"value": 0.2, "growth": -0.1}', true),
    ('e2dc6e3a-0314-535f-9863-64037caca605', 'growth_rally', 'Rally of growth', 'Growth rises by 15 %, momentum by 10 %.', 'rotation', 'moderate', '{"growth": 0.15, "momentum": 0.1}', true),
    ('37e7799f-11c5-5cfd-b293-34cd0b7e173c', 'small_company_rally', 'Rally of small companies', 'Small companies rise by 10 %.', 'rotation', 'moderate', '{"size": 0.1}', true),
    ('dab016b4-68e5-58fa-8ff2-dc293e9d0d43', 'flight_to_quality', 'Flight to quality', 'Quality rises by 12 %, the market falls by 5 %.', 'rotation', 'moderate', '{"quality": 0.12, "market_beta": -0.05}', true),
    ('13bb35a2-e4ce-576e-a1c1-ee7f264beadc', 'volatility_spike', 'Spike of volatility', 'Fear: the market falls by 20 %, small companies by 25 %, momentum breaks by 15 %, what varies little falls by 10 %.', 'volatility', 'severe', '{"market_beta": -0.2, "size": -0.25, "momentum": -0.15, "low_volatility": -0.1}', true),
    ('9845fe47-427e-5570-b6d3-661f98e5dfd3', 'liquidity_crisis', 'Crisis of liquidity', 'Everything is sold: the market falls by 25 %, small companies by 35 %, quality by 15 %, yields rise by 50 basis points.', 'volatility', 'extreme', '{"market_beta": -0.25, "size": -0.35, "quality": -0.15, "ir_beta": 50}', true),
    ('aabdda12-ab65-51d9-ae97-5480ed3a6086', 'crisis_2008', '2007 to 2009', 'The financial crisis from peak to trough: the S&P 500 fell by 57 %, the ten-year yield by about 175 basis points.', 'historical', 'extreme', '{"market_beta": -0.57, "ir_beta": -175}', false),
    ('2bab9a35-19f3-5c30-ba53-181061945711', 'pandemic_2020', 'February and March 2020', 'The pandemic from peak to trough: the S&P 500 fell by 34 %, the ten-year yield by about 80 basis points.', 'historical', 'extreme', '{"market_beta": -0.34, "ir_beta": -80}', false),
    ('e96e3017-94cf-55ef-a099-d304c75a2337', 'dotcom_2000', '2000 to 2002', 'The end of the internet boom from peak to trough: the S&P 500 fell by 49 %, the ten-year yield by about 260 basis points.', 'historical', 'extreme', '{"market_beta": -0.49, "ir_beta": -260}', false);
"#;

const DOWN: &str = r"
DELETE FROM stress_test_scenarios;
DELETE FROM factor_definitions;
";
