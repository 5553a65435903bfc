"""What the database sees to by itself: no kit is made of kits, and whoever changes what terms follow from has them resolved anew."""

from django.db import migrations

KITS = """
CREATE FUNCTION canonical_no_kits_of_kits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(5017224); -- two that are made at once would not see each other
  IF EXISTS (SELECT 1 FROM canonical_kitcomponent WHERE kit_id = NEW.component_id)
     OR EXISTS (SELECT 1 FROM canonical_kitcomponent WHERE component_id = NEW.kit_id) THEN
    RAISE EXCEPTION 'a kit cannot be made of kits' USING ERRCODE = 'check_violation', CONSTRAINT = 'no_kits_of_kits';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER no_kits_of_kits BEFORE INSERT OR UPDATE ON canonical_kitcomponent
  FOR EACH ROW EXECUTE FUNCTION canonical_no_kits_of_kits();
"""

#: table, the column that names the SKU (none: everything), what of it matters, and whether only updates do.
FOLLOWED = (
    ("sourcing", "sku_id", "channel_id, sku_id, location_id, rank", True),
    (
        "availabilityrule",
        "sku_id",
        "sku_id, category, location_id, channel_id, safety_units, safety_percent, threshold, cap, pool, backorders, backorder_limit, priority",
        True,
    ),
    ("kitcomponent", "kit_id", "kit_id, component_id, units", True),
    ("sku", "id", "category, requires_shipping", False),
    ("location", None, "active", False),
)


#: Listings that are not known to show what they should, and those whose shop keeps no stock: few of many.
FEW = """
CREATE INDEX listing_unsettled ON canonical_listing (channel_id, id) WHERE gone_at IS NULL AND managed AND target IS NOT NULL
  AND (expected IS NULL OR verify OR target <> expected OR backorders <> target_backorders OR hint <> expected);
CREATE INDEX listing_unmanaged ON canonical_listing (channel_id) WHERE NOT managed;
"""


def follow(table: str, column: str | None, fields: str, whole: bool) -> str:
    """SQL of a trigger that touches the SKU a row was about and the one it is about now."""
    new, old = (f"NEW.{column}", f"OLD.{column}") if column else ("NULL", "NULL")
    news, olds = (", ".join(f"{row}.{field}" for field in fields.split(", ")) for row in ("NEW", "OLD"))
    insert = "INSERT INTO canonical_stocktouch (sku_id, terms, cause_kind, cause_id) VALUES ({}, true, '{}', {}.id);"
    kind = table[:12]
    return f"""
CREATE FUNCTION canonical_follow_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF ({news}) IS NOT DISTINCT FROM ({olds}) THEN RETURN NULL; END IF;
    {insert.format(old, kind, "OLD")}
  END IF;
  IF TG_OP = 'DELETE' THEN {insert.format(old, kind, "OLD")} ELSE {insert.format(new, kind, "NEW")} END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER follow_{table} AFTER {"INSERT OR UPDATE OR DELETE" if whole else "UPDATE"} ON canonical_{table}
  FOR EACH ROW EXECUTE FUNCTION canonical_follow_{table}();
"""


def unfollow(table: str) -> str:
    """SQL that takes it away."""
    return f"DROP TRIGGER follow_{table} ON canonical_{table}; DROP FUNCTION canonical_follow_{table}();"


class Migration(migrations.Migration):
    dependencies = [("canonical", "0005_stock")]

    operations = [
        migrations.RunSQL(
            KITS, "DROP TRIGGER no_kits_of_kits ON canonical_kitcomponent; DROP FUNCTION canonical_no_kits_of_kits();"
        ),
        migrations.RunSQL(FEW, "DROP INDEX listing_unsettled; DROP INDEX listing_unmanaged;"),
        *[migrations.RunSQL(follow(*followed), unfollow(followed[0])) for followed in FOLLOWED],
    ]
