from django.db import migrations

# Django adds an index for LIKE to every unique text column. Under the collation "C" the unique index serves LIKE as well, and no
# charge should write both. (A process is never searched for by a beginning.)
DROP = """
drop index wallets_usagerecord_id_f77f53b6_like;
drop index wallets_ledgerentry_reference_d891e226_like;
drop index wallets_process_id_dff7c0af_like;
"""
BACK = """
create index wallets_usagerecord_id_f77f53b6_like on wallets_usagerecord (id varchar_pattern_ops);
create index wallets_ledgerentry_reference_d891e226_like on wallets_ledgerentry (reference varchar_pattern_ops);
create index wallets_process_id_dff7c0af_like on wallets_process (id varchar_pattern_ops);
"""


class Migration(migrations.Migration):
    dependencies = [("wallets", "0002_fresh_look_for_a_usage_record")]

    operations = [migrations.RunSQL(DROP, BACK)]
