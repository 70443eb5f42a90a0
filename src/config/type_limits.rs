//! What the configuration says about how values are laid out, as the types want to hear it.

use super::{ClientClass, Config};
use crate::encoding::stream_log::NodeLimits;
use crate::types::hash::HashLimits;
use crate::types::list::{Fill, ListLimits};
use crate::types::set::SetLimits;
use crate::types::zset::ZSetLimits;

impl Config {
    pub fn hash_limits(&self) -> HashLimits {
        HashLimits { fields: self.hash_max_listpack_entries, text_bytes: self.hash_max_listpack_value }
    }

    pub fn list_limits(&self) -> ListLimits {
        ListLimits {
            fill: Fill::new(self.list_max_listpack_size),
            compress_depth: self.list_compress_depth as usize,
            alone_from: self.quicklist_packed_threshold,
        }
    }

    pub fn set_limits(&self) -> SetLimits {
        SetLimits {
            integers: self.set_max_intset_entries,
            members: self.set_max_listpack_entries,
            text_bytes: self.set_max_listpack_value,
        }
    }

    pub fn zset_limits(&self) -> ZSetLimits {
        ZSetLimits { members: self.zset_max_listpack_entries, member_bytes: self.zset_max_listpack_value }
    }

    /// Replies of this many bytes close a client: there is no use in writing more.
    pub fn reply_limit(&self) -> usize {
        match self.client_output_buffer_limit[ClientClass::Normal as usize].hard_bytes {
            0 => usize::MAX,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    pub fn stream_node_limits(&self) -> NodeLimits {
        NodeLimits { bytes: self.stream_node_max_bytes, entries: self.stream_node_max_entries }
    }
}
