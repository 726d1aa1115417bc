//! The macro that writes a section: its shape, its keys and its decoder from one list.

/// Declares a section: every field is optional here, because a missing key must not hide the other faults; keys after
/// `required` are reported where they are missing. The key is the field's name.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $( $(#[$fmeta:meta])* $field:ident : $type:ty, )* }
        required [ $($required:ident),* ]
        $( limited by $limit:path, variants $variants:path )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name {
            /// Where the section is named.
            pub here: $crate::source::Span,
            /// The known keys that are written, right or wrong, misspelt ones included.
            pub said: Vec<&'static str>,
            /// At the root: dotted paths of the names and items of the whole spec whose value could not be read.
            pub unread: std::collections::BTreeSet<String>,
            $( $(#[$fmeta])* pub $field: $crate::ast::Field<$type>, )*
        }

        impl $crate::ast::Decode for $name {
            fn decode(node: &$crate::source::Node, decoder: &mut $crate::ast::Decoder<'_>) -> Option<Self> {
                const KEYS: &[&str] = &[$( $crate::ast::Keys::name(stringify!($field)) ),*];
                let mut keys = $crate::ast::Keys::open(node, decoder, KEYS)?;
                $( keys.limit($limit(node, decoder)); )?
                let mut section = Self {
                    here: keys.here(),
                    said: keys.said(),
                    unread: std::collections::BTreeSet::new(),
                    $( $field: keys.take($crate::ast::Keys::name(stringify!($field)), decoder), )*
                };
                section.said.extend(keys.close(&[$( stringify!($required) ),*], decoder));
                section.unread = decoder.unread();
                Some(section)
            }

            fn shape() -> $crate::ast::Shape {
                $crate::ast::Shape::Section($crate::ast::Section {
                    keys: vec![$( ($crate::ast::Keys::name(stringify!($field)), <$type>::shape()) ),*],
                    required: &[$( stringify!($required) ),*],
                    variants: section!(@variants $( $variants )?),
                })
            }
        }
    };
    (@variants) => { None };
    (@variants $variants:path) => { Some($variants()) };
}
