from django.db import migrations

# VOLATILE: its query sees what was committed before it ran, not only what the calling statement's snapshot saw. That is how `place`
# recognises its own earlier try, when that one committed while this one waited for the wallet.
PLACED = """
create function wallets_placed(usage_id text, wallet_id bigint) returns boolean language plpgsql volatile as $$
begin
    return exists (select from wallets_usagerecord u where u.id = $1 and u.wallet_id = $2);
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("wallets", "0001_wallets_ledger_usage")]

    operations = [migrations.RunSQL(PLACED, "drop function wallets_placed(text, bigint);")]
